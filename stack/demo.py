"""`make demo`: from nothing to the printed result of one night, checked in the database itself."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from sqlalchemy import text

from ml.audit.window import Window
from ml.errors import ReconciliationError, ServiceError
from ml.settings import ROOT, Settings
from stack import demo_photos
from stack.demo_photos import DemoPhotos, Upload
from stack.demo_result import Night, print_result, read_night
from stack.demo_sheet import verdict_sheet
from stack.follow import follow
from stack.machine import Machine

DAG_ID = "audit_review_images"


def run_demo(settings: Settings, *, dataset: Path | None, photos: int, console: Console) -> None:
    """Render or take photos, train, run the night twice in a real Airflow, check and print.

    Raises:
        ReconciliationError: the second run changed something, or the numbers do not add up.
        ServiceError: a server or Airflow failed.
    """
    began = datetime.now(UTC)
    name = f"{began:%Y%m%dT%H%M%S}"
    # A prefix and a window of its own: what earlier demos left in the shop is none of its business.
    night = {"photo_prefix": f"reviews/demo-{name}/", "lookback_days": 0}
    settings = settings.model_copy(update=night)
    console.rule("1 · photos")
    source = _photos(settings, dataset, photos)
    console.rule("2 · servers")
    with console.status("starting PostgreSQL and SeaweedFS"):
        machine = Machine(settings, {f"MODERATION_{k}".upper(): str(v) for k, v in night.items()})
        machine.prepare()
    try:
        console.rule("3 · first model")
        train_first(machine, source.training)
        console.rule("4 · the night")
        upload_all(machine, source.tonight)
        window = Window(began - timedelta(minutes=1), datetime.now(UTC) + timedelta(seconds=1))
        first = _nights(machine, window, name, len(source.tonight), console)
        console.rule("result")
        print_result(first, source.tonight, console)
        _write_sheet(settings.data_dir / "demo", first, source.tonight, console)
        console.print(f"UI: [bold]make up[/bold] shows this night at {machine.airflow.url}")
    finally:
        with console.status("stopping"):
            machine.stop()
    console.print(f"done in {(datetime.now(UTC) - began).total_seconds():.0f} s")


def _photos(settings: Settings, dataset: Path | None, photos: int) -> DemoPhotos:
    folder = settings.data_dir / "demo" / "photos"
    if dataset is None:
        return demo_photos.rendered(folder, photos)
    return demo_photos.from_folder(folder, dataset, settings)


def train_first(machine: Machine, folder: Path) -> None:
    """Train and promote the first model, as a user would on the command line."""
    command = [sys.executable, "-m", "ml", "train", "--data", str(folder)]
    environment = machine.airflow.environment()
    done = subprocess.run(
        [*command, "--preset", "fast", "--promote"], cwd=ROOT, env=environment, check=False
    )
    if done.returncode:
        raise ServiceError("training failed; its message is above")


_ADD_ROW = text(
    "insert into commerce.review_image (review_id, product_id, object_key, uploaded_at) "
    "values (:review, :product, :key, now())"
)


def upload_all(machine: Machine, tonight: list[Upload]) -> None:
    """Put photos into the shop's bucket, with their commerce rows."""
    prefix = machine.settings.photo_prefix
    for upload in tonight:
        machine.connections.photos.put(f"{prefix}{upload.name}", upload.path.read_bytes())
    rows = [
        {"review": n, "product": n % 97, "key": f"{prefix}{upload.name}"}
        for n, upload in enumerate(tonight, start=1)
    ]
    with machine.connections.engine.begin() as connection:
        connection.execute(_ADD_ROW, rows)


def _nights(machine: Machine, window: Window, name: str, photos: int, console: Console) -> Night:
    """Run the night, and then the same night again, which must change nothing."""
    with console.status("starting Airflow"):
        machine.airflow.prepare()
        machine.airflow.start()
    first_id, second_id = f"demo-{name}", f"demo-{name}-again"
    run_night(machine, window, first_id, photos, console)
    first = read_night(machine.connections, first_id, machine.settings)
    run_night(machine, window, second_id, photos, console)
    second = read_night(machine.connections, second_id, machine.settings)
    _compare(first, second)
    console.print("the same night again changed nothing; the account balances both times")
    return first


def _compare(first: Night, second: Night) -> None:
    if first.state != second.state:
        raise ReconciliationError("the second run of the same night changed something")
    if second.report["judged"] or second.report["already_judged"] != first.report["judged"]:
        raise ReconciliationError("the second run of the same night judged photos again")


def run_night(machine: Machine, window: Window, run_id: str, photos: int, console: Console) -> None:
    """Run the nightly DAG over a window, with a bar of the photos done."""
    given = {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    with machine.airflow.client() as client:
        follow(
            client, machine, DAG_ID, run_id, given,
            total=photos, settled=lambda: settled_photos(machine, run_id), console=console,
        )  # fmt: skip


def settled_photos(machine: Machine, run_id: str) -> int:
    """Photos of a night that are judged, quarantined or were judged already."""
    query = text(
        "select count(*) from moderation.audit_image where run_id = :r and outcome is not null"
    )
    with machine.connections.engine.begin() as connection:
        return int(connection.execute(query, {"r": run_id}).scalar_one())


def _write_sheet(folder: Path, night: Night, tonight: list[Upload], console: Console) -> None:
    path = folder / "verdicts.png"
    verdict_sheet(night, tonight).save(path)
    console.print(f"picture of the verdicts: {path}")
