"""`python -m stack`: what `make demo`, `make up` and `make down` call."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from ml.embedded import services as embedded
from ml.errors import ModerationError
from ml.settings import load_settings
from stack import processes
from stack.airflow import ACCOUNTS, SERVICE
from stack.catalogue.catalogue import render_catalogue
from stack.demo import run_demo
from stack.doctor import run_doctor
from stack.machine import Machine
from stack.month import run_month

app = typer.Typer(help="The whole system on one machine.", pretty_exceptions_enable=False)
console = Console()


@app.command()
def demo(
    dataset: Annotated[
        Path | None, typer.Option(help="Folder of labelled photos instead of the sample catalogue.")
    ] = None,
    photos: Annotated[int, typer.Option(help="Photos of the sample catalogue.", min=60)] = 1500,
) -> None:
    """Run one night from nothing and print its result."""
    run_demo(load_settings(), dataset=dataset, photos=photos, console=console)


@app.command()
def month(
    dataset: Annotated[
        Path | None, typer.Option(help="Folder of labelled photos instead of the sample catalogue.")
    ] = None,
    photos: Annotated[int, typer.Option(help="Photos of the sample catalogue.", min=300)] = 2000,
    new: Annotated[str, typer.Option(help="Violation new to the first model.")] = "weapon",
    preset: Annotated[str, typer.Option(help="Training preset of the month.")] = "monthly",
) -> None:
    """Run a month from nothing: night, labels, retraining, promotion, next night, rollback."""
    run_month(
        load_settings(), dataset=dataset, photos=photos, new_category=new, preset=preset,
        console=console,
    )  # fmt: skip


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(help="Where the photos go; is made where absent.")],
    photos: Annotated[int, typer.Option(help="How many.", min=1)] = 1500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    violating: Annotated[float, typer.Option(help="Share of violations.", min=0, max=1)] = 0.2,
) -> None:
    """Render photos of the sample catalogue into a folder, as ImageFolder has them."""
    stream = render_catalogue(seed, photos, violating)
    for photo in track(stream, "rendering photos", total=photos, console=console):
        path = folder / photo.label / photo.category / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.data)


@app.command()
def up() -> None:
    """Start servers and Airflow, and leave them running."""
    machine = Machine(load_settings())
    with console.status("starting PostgreSQL, SeaweedFS and Airflow"):
        machine.start()
    people = ", ".join(name for name in ACCOUNTS if name != SERVICE)
    console.print(f"Airflow: {machine.airflow.url}  (users {people})")
    console.print(f"passwords: in {machine.airflow.passwords_file}")
    console.print("stop with: make down")


@app.command()
def down() -> None:
    """Stop Airflow and the embedded servers; their data stay."""
    data_dir = load_settings().data_dir
    processes.stop_all(data_dir / "airflow")
    embedded.stop(data_dir)
    console.print("stopped")


@app.command()
def doctor(
    predict_url: Annotated[
        str | None, typer.Option(help="Where /predict answers, to be asked, too.")
    ] = None,
) -> None:
    """Check a deployment: servers, rights, model, clocks, Airflow; exit 1 on a failure."""
    raise typer.Exit(run_doctor(load_settings(), predict_url))


try:
    app()
except ModerationError as error:
    name = type(error).__name__
    Console(stderr=True).print(f"[red]{name}:[/red] {escape(str(error))}", highlight=False)
    sys.exit(1)
