"""Command line of the development tools: `python -m devtools`, as the Makefile calls it."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from devtools.demo.nightly_run import run_demo
from devtools.demo.retraining import run_retraining_demo
from devtools.embedded import services as embedded
from devtools.local_stack import processes
from devtools.local_stack.doctor import run_doctor
from devtools.local_stack.identity import ACCOUNTS, SERVICE
from devtools.local_stack.local_stack import LocalStack
from devtools.sample_photos.catalogue import render_catalogue
from ml.core.errors import ModerationError
from ml.core.settings import load_settings

app = typer.Typer(help="The whole system on one stack.", pretty_exceptions_enable=False)
console = Console()


@app.command()
def demo(
    dataset: Annotated[
        Path | None, typer.Option(help="Folder of labeled photos in place of the sample catalogue.")
    ] = None,
    photos: Annotated[int, typer.Option(help="Photos of the sample catalogue.", min=60)] = 1500,
) -> None:
    """Demo of the nightly run: from nothing to the printed result."""
    run_demo(load_settings(), dataset=dataset, photos=photos, console=console)


@app.command()
def demo_retrain(
    dataset: Annotated[
        Path | None, typer.Option(help="Folder of labeled photos in place of the sample catalogue.")
    ] = None,
    photos: Annotated[int, typer.Option(help="Photos of the sample catalogue.", min=300)] = 2000,
    new: Annotated[
        str, typer.Option(help="Violation that the first model does not know.")
    ] = "weapon",
    preset: Annotated[str, typer.Option(help="Training preset of the retraining run.")] = "monthly",
) -> None:
    """Demo of the monthly retraining: nightly run, labels, retraining, promotion, rollback."""
    run_retraining_demo(
        load_settings(), dataset=dataset, photos=photos, new_category=new, preset=preset,
        console=console,
    )  # fmt: skip


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(help="Output folder; created if missing.")],
    photos: Annotated[int, typer.Option(help="Number of photos.", min=1)] = 1500,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    violating: Annotated[float, typer.Option(help="Share of violations.", min=0, max=1)] = 0.2,
) -> None:
    """Render the sample catalogue into a folder in ImageFolder layout."""
    stream = render_catalogue(seed, photos, violating)
    for photo in track(stream, "rendering photos", total=photos, console=console):
        path = folder / photo.label / photo.category / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.data)


@app.command()
def up() -> None:
    """Start servers and Airflow, and keep them running."""
    stack = LocalStack(load_settings())
    with console.status("starting PostgreSQL, SeaweedFS and Airflow"):
        stack.start()
    users = ", ".join(name for name in ACCOUNTS if name != SERVICE)
    console.print(f"Airflow: {stack.airflow.url}  (users {users})")
    console.print(f"passwords: {stack.airflow.passwords_file}")
    console.print("stop with: make down")


@app.command()
def down() -> None:
    """Stop Airflow and the embedded servers; keep their data."""
    data_dir = load_settings().data_dir
    processes.stop_all(data_dir / "airflow")
    embedded.stop(data_dir)
    console.print("stopped")


@app.command()
def doctor(
    predict_url: Annotated[
        str | None, typer.Option(help="URL of /predict, to check it too.")
    ] = None,
) -> None:
    """Check a deployment: servers, permissions, model, clocks, Airflow; exit 1 on a failure."""
    raise typer.Exit(run_doctor(load_settings(), predict_url))


try:
    app()
except ModerationError as error:
    name = type(error).__name__
    Console(stderr=True).print(f"[red]{name}:[/red] {escape(str(error))}", highlight=False)
    sys.exit(1)
