"""`python -m ml blocklist`: photos that must never pass, and hashes of outside lists."""

from operator import attrgetter
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ml.cli.context import console, opened, print_rejected, print_table, query
from ml.core.errors import LabelImportError, SettingsError
from ml.storage import blocklist_hashes

_HASH_DIGITS = 64

app = typer.Typer(
    help="Photos that no promoted model may pass, and hashes of outside lists.",
    no_args_is_help=True,
)

_By = Annotated[str, typer.Option(help="Who does it.")]


@app.command("add")
def add_command(
    reason: Annotated[str, typer.Option(help="Why it must never pass.")],
    content_sha256: Annotated[
        str | None, typer.Argument(help="SHA-256 of a scored or archived photo.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option(help="File of the photo, to archive it as well.")
    ] = None,
    by: _By = "command line",
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


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV file; docs/labels.md describes its columns.")],
    source: Annotated[str, typer.Option(help="Name of the list, which is shown to reviewers.")],
    by: _By = "command line",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and count, and import nothing.")
    ] = False,
) -> None:
    """Import the PDQ, MD5 and SHA-256 hashes of an outside list; idempotent."""
    from ml.learning.labels.import_hashes import import_hashes

    with opened() as (_, connections):
        result = import_hashes(
            file, source=source, added_by=by, engine=connections.engine, dry_run=dry_run
        )
    rejected = len(result.rejected)
    console.print(
        f"{result.added:,} hashes {'would be imported' if dry_run else 'imported'}, "
        f"{result.known:,} already known, {result.low_quality:,} of low quality left out, "
        f"{rejected:,} lines rejected"
    )
    left_out = print_rejected(file, result.rejected)
    if left_out:
        others = "nothing was imported" if dry_run else "all others imported"
        raise LabelImportError(f"{rejected:,} lines were rejected, {others}; {left_out}")


@app.command("list")
def list_command() -> None:
    """List the imported lists, with their hashes of each kind."""
    columns = ("source", "pdq", "md5", "sha256", "latest")
    row = attrgetter("source", "pdq", "md5", "sha256", "added_at")
    print_table(*columns, rows=map(row, query(blocklist_hashes.list_sources)))


@app.command("remove")
def remove_command(
    source: Annotated[str, typer.Argument(help="Name of an imported list.")],
    by: _By = "command line",
) -> None:
    """Remove an imported list; the next run does not use its hashes any more."""
    from ml.learning.labels.import_hashes import remove_hashes

    with opened() as (_, connections):
        removed = remove_hashes(connections.engine, source, removed_by=by)
    if not removed:
        raise SettingsError(f"no list is named {source!r}; see `python -m ml blocklist list`")
    console.print(f"{escape(source)}: {removed:,} hashes removed")
