"""`python -m ml doctor`: is this deployment fit for a night?"""

from typing import Annotated

import typer

from ml.commands.opened import console

app = typer.Typer()


@app.command()
def doctor(
    predict_url: Annotated[
        str | None, typer.Option(help="Where /predict answers, to be asked, too.")
    ] = None,
) -> None:
    """Check settings, database, buckets, champion, device, clocks and disk; exit 1 on a failure."""
    from ml.doctor.library import library_findings  # noqa: PLC0415 - `--help` waits for no torch
    from ml.doctor.report import show  # noqa: PLC0415 - as above

    if not show(library_findings(predict_url=predict_url), console):
        raise typer.Exit(1)
