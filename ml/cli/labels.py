"""`python -m ml labels`: import human labels."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ml.cli.context import console, opened
from ml.core.errors import LabelImportError

if TYPE_CHECKING:
    from ml.learning.labels.csv_rows import RowError

_SHOWN = 20

app = typer.Typer(help="Human labels: import them.", no_args_is_help=True)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV file; docs/labels.md describes its columns.")],
) -> None:
    """Import the labels of a CSV file and archive their photos; idempotent."""
    from ml.learning.labels.import_csv import import_labels
    from ml.policy.schema import load_policy

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
    rejected = len(result.rejected)
    console.print(
        f"{result.imported:,} imported, {result.known:,} already known, {rejected:,} rejected"
    )
    report = file.with_name(f"{file.name}.rejected.csv")
    if not result.rejected:
        report.unlink(missing_ok=True)  # of an earlier attempt
        return
    _show(result.rejected)
    where = _written(report, result.rejected)
    raise LabelImportError(f"{rejected:,} lines were rejected, all others imported; {where}")


def _lines(file: Path) -> int | None:
    """Number of data lines, for the progress bar; the importer reports a wrong path."""
    try:
        with file.open("rb") as source:
            return max(0, sum(1 for _ in source) - 1)
    except OSError:
        return None


def _show(rejected: "list[RowError]") -> None:
    table = Table("line", "reason", title="rejected")
    for error in rejected[:_SHOWN]:
        table.add_row(str(error.line), escape(error.reason))
    console.print(table)


def _written(report: Path, rejected: "list[RowError]") -> str:
    """Write all rejected lines next to the file; returns where they are."""
    try:
        with report.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["line", "reason"])
            writer.writerows((error.line, error.reason) for error in rejected)
    except OSError as error:
        return f"the list of them cannot be written to {report}: {error.strerror}"
    return f"see {report}"
