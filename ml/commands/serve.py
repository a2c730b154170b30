"""`python -m ml serve`: answer `/predict` until stopped."""

from typing import Annotated

import typer

from ml.commands.opened import opened

app = typer.Typer()  # without a name: its command stands beside the main ones


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="In place of MODERATION_SERVE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="In place of MODERATION_SERVE_PORT.")] = None,
) -> None:
    """Answer /predict by the champion, and follow it; docs/predict.md has the contract."""
    from ml.policy.policy import load_policy  # noqa: PLC0415 - `--help` waits for no torch
    from ml.serving.logs import configure_logs  # noqa: PLC0415 - as above
    from ml.serving.server import make_server  # noqa: PLC0415 - as above

    with opened() as (settings, connections):
        load_policy(settings.policy_file)  # a wrong file stops the start
        given = {"serve_host": host, "serve_port": port}
        update = {name: value for name, value in given.items() if value is not None}
        configure_logs()
        make_server(settings.model_copy(update=update), connections).run()
