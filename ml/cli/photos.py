"""`python -m ml photos`: explain a photo's verdicts."""

from operator import attrgetter
from typing import Annotated

import typer
from rich.markup import escape

from ml.cli.context import console, print_table, query
from ml.storage.read.model_listing import verdict_origin

app = typer.Typer(help="Photos: explain their verdicts.", no_args_is_help=True)


@app.command("explain")
def explain_command(key: Annotated[str, typer.Argument(help="Object key of the photo.")]) -> None:
    """List the nightly runs and model versions that scored a photo, with their verdicts."""
    origins = query(lambda c: verdict_origin(c, key))
    if not origins:
        console.print(f"no run has seen {escape(key)}")
        return
    columns = ("run", "window from", "to", "version", "decision", "judged")
    origin = attrgetter("run_id", "window.start", "window.end", "model_hash")
    rows = (
        (*origin(row), row.decision or row.outcome or "undecided", row.judged_at) for row in origins
    )
    print_table(*columns, rows=rows)
