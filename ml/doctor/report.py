"""The doctor's findings as a table, one line a check."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml.doctor.examine import Examined
from ml.doctor.finding import State

_MARKS = {State.OK: "[green]ok[/green]", State.FAILED: "[red]FAILED[/red]", State.SKIPPED: "–"}


def show(findings: Iterable[Examined], console: Console) -> bool:
    """Print the findings; returns whether none has failed."""
    table = Table("check", "", "found", "what to do", title="Doctor")
    well = True
    with console.status("examining"):
        for examined in findings:
            finding = examined.finding
            well = well and finding.state is not State.FAILED
            table.add_row(
                examined.name, _MARKS[finding.state], escape(finding.said), escape(finding.do)
            )
    console.print(table)
    return well
