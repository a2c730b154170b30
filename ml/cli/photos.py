"""`python -m ml photos`: what happened to one photo."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ml.cli.context import console, opened
from ml.storage.database import in_transaction
from ml.storage.read.model_listing import verdict_origin

app = typer.Typer(help="Photos: explain their verdicts.", no_args_is_help=True)


@app.command("explain")
def explain_command(
    key: Annotated[str, typer.Argument(help="Object key of the photo.")],
) -> None:
    """List the nightly runs and model versions that scored a photo, with their verdicts."""
    with opened() as (_, connections):
        rows = in_transaction(connections.engine, lambda c: verdict_origin(c, key))
    table = Table("run", "window from", "to", "version", "decision", "judged")
    for row in rows:
        table.add_row(
            escape(row.run_id),
            f"{row.window.start:%Y-%m-%d %H:%M}",
            f"{row.window.end:%Y-%m-%d %H:%M}",
            row.model_hash,
            row.decision or row.outcome or "undecided",
            f"{row.judged_at:%Y-%m-%d %H:%M:%S}" if row.judged_at else "",
        )
    console.print(table if rows else f"no run has seen {escape(key)}")
