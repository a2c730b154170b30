"""`python -m ml labels`: import human labels."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ml.cli.context import console, opened, print_table
from ml.core.errors import LabelImportError

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
        bar = shown.add_task("labels", total=_count_lines(file))
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
    rows = [(error.line, error.reason) for error in result.rejected]
    print_table("line", "reason", rows=rows[:_SHOWN], title="rejected")
    place = _write_report(report, rows)
    raise LabelImportError(f"{rejected:,} lines were rejected, all others imported; {place}")


def _count_lines(file: Path) -> int | None:
    """Number of data lines, for the progress bar; the importer reports a wrong path."""
    try:
        with file.open("rb") as source:
            return max(0, sum(1 for _ in source) - 1)
    except OSError:
        return None


def _write_report(report: Path, rows: Iterable[tuple[int, str]]) -> str:
    """Write all rejected lines next to the file; returns where they are."""
    try:
        with report.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([("line", "reason"), *rows])
    except OSError as error:
        return f"the list of them cannot be written to {report}: {error.strerror}"
    return f"see {report}"
