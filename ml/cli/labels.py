"""`python -m ml labels`: import and export human labels."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ml.cli.context import console, opened, print_rejected
from ml.core.errors import LabelExportError, LabelImportError
from ml.core.window import parse_time

app = typer.Typer(help="Human labels: import and export them.", no_args_is_help=True)
_FORMATS = "image-folder, csv, parquet, coco or label-studio; see docs/exports.md."


@app.command("import")
def import_command(
    file: Annotated[
        Path, typer.Argument(help="CSV file, or JSON of Label Studio; docs/labels.md has both.")
    ],
) -> None:
    """Import the labels of a file and archive their photos; idempotent."""
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
    left_out = print_rejected(file, result.rejected)
    if left_out:
        raise LabelImportError(f"{rejected:,} lines were rejected, all others imported; {left_out}")


@app.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(help="A new folder, or one of the same export.")],
    format_name: Annotated[str, typer.Option("--format", help=_FORMATS)],
    start: Annotated[
        str | None, typer.Option("--from", help="Labels decided at this ISO 8601 time or later.")
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--until", "--as-of", help="Labels decided before this time; default: now."),
    ] = None,
    reviewer_names: Annotated[
        bool, typer.Option("--reviewer-names", help="Names instead of reviewer-1, reviewer-2.")
    ] = False,
) -> None:
    """Export labels and their archived photos; run it again after an interruption."""
    from ml.learning.labels.export_labels import ExportRequest, Format, export_labels
    from ml.policy.schema import load_policy

    if format_name not in set(Format):
        raise LabelExportError(f"{format_name!r} is no format; known are {', '.join(Format)}")
    request = ExportRequest(
        Format(format_name),
        start=parse_time(start) if start else None,
        end=parse_time(end) if end else None,
        reviewer_names=reviewer_names,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        opened() as (settings, connections),
        Progress(*columns, TimeElapsedColumn(), console=console) as shown,
    ):
        bar = shown.add_task("photos", total=None)
        result = export_labels(
            folder,
            request,
            settings=settings,
            connections=connections,
            policy=load_policy(settings.policy_file),
            progress=lambda done, total: shown.update(bar, completed=done, total=total),
        )
    console.print(
        f"{result.exported:,} exported to {folder / result.name}, labels decided before "
        f"{result.window.end.isoformat()}; {result.missing:,} photos missing"
    )


def _count_lines(file: Path) -> int | None:
    """Number of data lines, for the progress bar; the importer reports a wrong path."""
    if file.suffix.lower() == ".json":
        return None
    try:
        with file.open("rb") as source:
            return max(0, sum(1 for _ in source) - 1)
    except OSError:
        return None
