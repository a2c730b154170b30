"""`python -m ml labels`: take in labels, and list photos that may never pass."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ml.commands.opened import console, opened
from ml.errors import LabelsRefused

if TYPE_CHECKING:
    from ml.labels.csv_lines import Refusal

_SHOWN = 20
_HASH_DIGITS = 64

app = typer.Typer(help="Human labels: take them in.", no_args_is_help=True)
bad = typer.Typer(help="Photos that no promoted version may ever pass.", no_args_is_help=True)
app.add_typer(bad, name="known-bad")


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A CSV file; docs/labels.md has its columns.")],
) -> None:
    """Take the labels of a CSV file, with their photos; running it again adds nothing."""
    from ml.labels.import_csv import import_labels  # noqa: PLC0415 - `--help` waits for no SciPy
    from ml.policy.policy import load_policy  # noqa: PLC0415 - as above

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        opened() as (settings, connections),
        Progress(*columns, TimeElapsedColumn(), console=console) as shown,
    ):
        bar = shown.add_task("labels", total=_lines(file))
        result = import_labels(
            file,
            settings=settings,
            connections=connections,
            policy=load_policy(settings.policy_file),
            progress=lambda lines: shown.advance(bar, lines),
        )
        shown.update(bar, total=result.lines)
    refused = len(result.refused)
    console.print(f"{result.taken:,} taken, {result.known:,} known, {refused:,} refused")
    report = file.with_name(f"{file.name}.refused.csv")
    if not result.refused:
        report.unlink(missing_ok=True)  # an earlier attempt's
        return
    _show(result.refused)
    raise LabelsRefused(
        f"{refused:,} lines were refused, all others were taken; {_written(report, result.refused)}"
    )


@bad.command("add")
def add_command(
    reason: Annotated[str, typer.Option(help="Why it may never pass.")],
    content_sha256: Annotated[
        str | None, typer.Argument(help="SHA-256 of a photo that was judged or is kept.")
    ] = None,
    path: Annotated[Path | None, typer.Option(help="The photo's file, to keep it, too.")] = None,
    by: Annotated[str, typer.Option(help="Who says so.")] = "command line",
) -> None:
    """Put a photo on the list; give its content hash, its file, or both."""
    from ml.labels.known_bad import add_known_bad, keep_file  # noqa: PLC0415 - as above

    wanted = _checked(content_sha256) if content_sha256 else None
    with opened() as (settings, connections):
        if path is not None:
            wanted = keep_file(path, wanted=wanted, settings=settings, connections=connections)
        if wanted is None:
            raise typer.BadParameter("give a content hash or --path")
        added = add_known_bad(
            wanted, reason=reason, added_by=by, settings=settings, connections=connections
        )
    console.print(f"{wanted}: {'added' if added else 'was there already'}")


def _lines(file: Path) -> int | None:
    """Lines of a file, for the progress bar; a wrong path is the importer's to report."""
    try:
        with file.open("rb") as source:
            return max(0, sum(1 for _ in source) - 1)
    except OSError:
        return None


def _show(refused: "list[Refusal]") -> None:
    table = Table("line", "reason", title="refused")
    for refusal in refused[:_SHOWN]:
        table.add_row(str(refusal.line), escape(refusal.reason))
    console.print(table)


def _written(report: Path, refused: "list[Refusal]") -> str:
    """Write all refusals beside the file; returns where they are."""
    try:
        with report.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["line", "reason"])
            writer.writerows((refusal.line, refusal.reason) for refusal in refused)
    except OSError as error:
        return f"their list cannot be written to {report}: {error.strerror}"
    return f"see {report}"


def _checked(content_sha256: str) -> str:
    text = content_sha256.strip().lower()
    if len(text) != _HASH_DIGITS or set(text) - set("0123456789abcdef"):
        raise typer.BadParameter("a content hash has 64 hexadecimal digits")
    return text
