"""`python -m ml photos` and `blocklist`: explain a photo's verdicts, or never pass it."""

from operator import attrgetter
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ml.cli.context import console, opened, print_table, query
from ml.storage.read.model_listing import verdict_origin

_HASH_DIGITS = 64

app = typer.Typer(help="Photos: explain their verdicts.", no_args_is_help=True)
blocklist = typer.Typer(help="Photos that no promoted model may pass.", no_args_is_help=True)


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


@blocklist.command("add")
def add_command(
    reason: Annotated[str, typer.Option(help="Why it must never pass.")],
    content_sha256: Annotated[
        str | None, typer.Argument(help="SHA-256 of a scored or archived photo.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option(help="File of the photo, to archive it as well.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who adds it.")] = "command line",
) -> None:
    """Add a photo by its content hash, its file, or both; idempotent."""
    from ml.learning.labels.photo_archiver import add_to_blocklist, archive_file

    wanted = _validate_hash(content_sha256) if content_sha256 else None
    with opened() as (settings, connections):
        if path is not None:
            wanted = archive_file(path, wanted=wanted, settings=settings, connections=connections)
        if wanted is None:
            raise typer.BadParameter("give a content hash or --path")
        added = add_to_blocklist(
            wanted, reason=reason, added_by=by, settings=settings, connections=connections
        )
    console.print(f"{wanted}: {'added' if added else 'already on the blocklist'}")


def _validate_hash(content_sha256: str) -> str:
    text = content_sha256.strip().lower()
    if len(text) != _HASH_DIGITS or set(text) - set("0123456789abcdef"):
        raise typer.BadParameter("a content hash has 64 hexadecimal digits")
    return text
