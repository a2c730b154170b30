"""`python -m ml labels`: import human labels."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ml.cli.context import console, opened, print_rejected
from ml.core.errors import LabelImportError

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
    left_out = print_rejected(file, result.rejected)
    if left_out:
        raise LabelImportError(f"{rejected:,} lines were rejected, all others imported; {left_out}")


def _count_lines(file: Path) -> int | None:
    """Number of data lines, for the progress bar; the importer reports a wrong path."""
    try:
        with file.open("rb") as source:
            return max(0, sum(1 for _ in source) - 1)
    except OSError:
        return None
