"""`python -m moderation_airflow.doctor.run`: all checks, in an Airflow process's environment.

Not `__main__.py`: Airflow runs each file of its plugin folder under the file's name at every start.
"""

import os
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import typer

from ml.doctor.examine import Examined, examine
from ml.doctor.finding import State


def findings(*, predict_url: str | None = None) -> Iterator[Examined]:
    """The library's findings, then Airflow's; only the former where settings are wrong."""
    from ml.doctor.library import library_findings
    from moderation_airflow.doctor.checks import airflow_checks

    library = library_findings(predict_url=predict_url)
    first = next(library)
    yield first
    if first.finding.state is State.OK:
        yield from chain(library, examine(airflow_checks()))


def main(
    predict_url: Annotated[
        str | None, typer.Option(help="Where /predict answers, to be asked, too.")
    ] = None,
) -> None:
    """Check a deployment with its Airflow; exit 1 on a failure."""
    from rich.console import Console

    from ml.doctor.report import show

    # Airflow tells of every file that it parses; what is broken stands in the table.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")
    if not show(findings(predict_url=predict_url), Console()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
