"""`python -m ml keys`: API keys of `/predict`."""

from operator import attrgetter
from typing import Annotated

import typer
from rich.markup import escape

from ml.cli.context import console, print_table, query
from ml.core.errors import SettingsError
from ml.storage import api_keys
from ml.storage.api_keys import ApiKeyScope

app = typer.Typer(help="API keys of /predict: create, revoke, list.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Name of the key, such as the calling system.", min=1)]


@app.command("create")
def create_command(
    name: _Name,
    right: Annotated[
        list[ApiKeyScope] | None,
        typer.Option(help="Permission; can be repeated. Default: predict."),
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option(help="Requests per minute; default: as in the settings.", min=1)
    ] = None,
    in_flight: Annotated[
        int | None, typer.Option(help="Concurrent requests; default: as in the settings.", min=1)
    ] = None,
) -> None:
    """Create a key and print it; it cannot be printed again."""
    rights = right or [ApiKeyScope.PREDICT]
    token = query(
        lambda c: api_keys.create_key(
            c, name, rights, requests_per_minute=per_minute, in_flight=in_flight
        )
    )
    # Alone on its line and not wrapped, so that a script can read it.
    console.print(token, soft_wrap=True, highlight=False, markup=False)


@app.command("revoke")
def revoke_command(name: _Name) -> None:
    """Revoke a key; the service rejects it within MODERATION_SERVE_POLL_SECONDS."""
    if not query(lambda c: api_keys.revoke_key(c, name)):
        raise SettingsError(f"no active key is named {name!r}; see `python -m ml keys list`")
    console.print(f"{escape(name)} is revoked")


@app.command("list")
def list_command() -> None:
    """List the keys, without their secrets."""
    columns = ("name", "id", "rights", "per minute", "concurrent", "created", "revoked")
    rest = attrgetter("requests_per_minute", "in_flight", "created_at", "revoked_at")
    keys = query(api_keys.all_keys)
    rows = ((key.name, key.key_id, ", ".join(sorted(key.rights)), *rest(key)) for key in keys)
    print_table(*columns, rows=rows)
