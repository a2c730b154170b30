"""The command line `python -m ml`: parses arguments, calls the library, prints; no logic.

Commands import torch and other heavy modules when they run, so that `--help` is fast.
"""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ml.cli import blocklist, keys, labels, models, operations, photos, score, signals, training
from ml.cli.context import configure_logs, console, opened
from ml.core.errors import ModerationError

app = typer.Typer(
    help="Moderation of review photos.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(operations.app)
app.add_typer(score.app)
app.add_typer(training.app)
app.add_typer(models.app, name="models")
app.add_typer(training.pretrain, name="pretrain")
app.add_typer(photos.app, name="photos")
app.add_typer(labels.app, name="labels")
app.add_typer(blocklist.app, name="blocklist")
app.add_typer(signals.app, name="signals")
app.add_typer(keys.app, name="keys")


@app.command()
def migrate(
    commerce_reference: Annotated[
        bool, typer.Option(help="Also create the reference commerce table (demo and tests only).")
    ] = False,
) -> None:
    """Create or update the schema `moderation` and the model bucket."""
    from ml.storage.database import COMMERCE_REFERENCE, MODERATION
    from ml.storage.database import migrate as run
    from ml.storage.object_store import MODELS_PREFIX

    with opened() as (_, connections):
        run(connections.engine, MODERATION)
        if commerce_reference:
            run(connections.engine, COMMERCE_REFERENCE)
        connections.models.create(MODELS_PREFIX)
        console.print("schema and model bucket are up to date")


def main() -> None:
    """Run a command; an error of this project prints one message and exits with code 1."""
    configure_logs()
    try:
        app()
    except ModerationError as error:
        name = type(error).__name__
        Console(stderr=True).print(f"[red]{name}:[/red] {escape(str(error))}", highlight=False)
        sys.exit(1)
