"""`make demo`: one nightly run from an empty installation, checked in the database and printed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from sqlalchemy import text

from devtools.demo import photos as demo_photos
from devtools.demo.photos import DemoPhotos, Upload
from devtools.demo.result import DemoRun, print_result, read_run, verdict_contact_sheet
from devtools.demo.steps import Steps
from devtools.local_stack.local_stack import LocalStack
from devtools.local_stack.run_watcher import watch_run
from ml.core.errors import ReconciliationError, ServiceError
from ml.core.settings import ROOT, Settings
from ml.core.window import Window

DAG_ID = "audit_review_images"
# Seconds measured on two cores at 24 images/s (`python -m benchmarks.calibration`); `Steps` scales
# them to the speed of this machine while the demo runs.
EXPECTED_SECONDS = {
    "servers": 5.0,
    "photos": 95.0,
    "first model": 64.0,
    "upload, and Airflow's start": 2.0,
    "nightly run": 67.0,
    "second run of the same window": 29.0,
}


def run_demo(settings: Settings, *, dataset: Path | None, photos: int, console: Console) -> None:
    """Prepare photos, train, run the same window twice in a real Airflow, check and print.

    Raises:
        ReconciliationError: the second run changed something, or photos are unaccounted for.
        ServiceError: a server or Airflow failed.
    """
    began = datetime.now(UTC)
    name = f"{began:%Y%m%dT%H%M%S}"
    # Its own prefix and window exclude the photos of earlier demos.
    changed = {"photo_prefix": f"reviews/demo-{name}/", "lookback_days": 0}
    settings = settings.model_copy(update=changed)
    steps = Steps(EXPECTED_SECONDS, console)
    with steps.step("servers"):
        stack = LocalStack(settings, as_variables(changed))
        stack.prepare()
    try:
        with ThreadPoolExecutor(1) as background:
            airflow = background.submit(_start_airflow, stack)
            with steps.step("photos"):
                source = _load_photos(settings, dataset, photos)
            with steps.step("first model"):
                train_first_model(stack, source.training)
            with steps.step("upload, and Airflow's start"):
                upload_photos(stack, source.uploads)
                airflow.result()
        window = Window(began - timedelta(minutes=1), datetime.now(UTC) + timedelta(seconds=1))
        first = _run_twice(stack, window, name, len(source.uploads), steps=steps, console=console)
        console.rule("result")
        print_result(first, source.uploads, console)
        _write_contact_sheet(settings.data_dir / "demo", first, source.uploads, console)
        console.print(f"UI: [bold]make up[/bold] shows this run at {stack.airflow.url}")
    finally:
        with console.status("stopping"):
            stack.stop()
    console.print(f"done in {(datetime.now(UTC) - began).total_seconds():.0f} s")


def as_variables(settings: dict[str, object]) -> dict[str, str]:
    """Return settings as environment variables of Airflow's processes."""
    return {f"MODERATION_{name}".upper(): str(value) for name, value in settings.items()}


def _start_airflow(stack: LocalStack) -> None:
    """Start Airflow in the background: it waits more than it computes."""
    stack.airflow.prepare()
    stack.airflow.start()


def _load_photos(settings: Settings, dataset: Path | None, photos: int) -> DemoPhotos:
    folder = settings.data_dir / "demo" / "photos"
    if dataset is None:
        return demo_photos.render_photos(folder, photos)
    return demo_photos.split_dataset(folder, dataset, settings)


def train_first_model(stack: LocalStack, folder: Path) -> None:
    """Train and promote the first model by the command line, as a user would."""
    command = [sys.executable, "-m", "ml", "train", "--data", str(folder)]
    environment = stack.airflow.environment()
    done = subprocess.run(
        [*command, "--preset", "linear_probe", "--promote"], cwd=ROOT, env=environment, check=False
    )
    if done.returncode:
        raise ServiceError("training failed; its message is above")


_INSERT_ROW = text(
    "insert into commerce.review_image (review_id, product_id, object_key, uploaded_at) "
    "values (:review, :product, :key, now())"
)


def upload_photos(stack: LocalStack, uploads: list[Upload]) -> None:
    """Put photos into the photo bucket and add their commerce rows."""
    prefix = stack.settings.photo_prefix
    for upload in uploads:
        stack.connections.photos.put(f"{prefix}{upload.name}", upload.path.read_bytes())
    rows = [
        {"review": n, "product": n % 97, "key": f"{prefix}{upload.name}"}
        for n, upload in enumerate(uploads, start=1)
    ]
    with stack.connections.engine.begin() as connection:
        connection.execute(_INSERT_ROW, rows)


def _run_twice(
    stack: LocalStack, window: Window, name: str, photos: int, *, steps: Steps, console: Console
) -> DemoRun:
    """Run the same window twice; the second run must change nothing."""
    runs = []
    for step, run_id in (
        ("nightly run", f"demo-{name}"),
        ("second run of the same window", f"demo-{name}-again"),
    ):
        with steps.step(step):
            run_nightly(stack, window, run_id, photos, console)
        runs.append(read_run(stack.connections, run_id, stack.settings))
    first, second = runs
    _check_second_run(first, second)
    console.print("the second run changed nothing; both runs are reconciled")
    return first


def _check_second_run(first: DemoRun, second: DemoRun) -> None:
    if first.state != second.state:
        raise ReconciliationError("the second run of the same window changed something")
    if second.report["judged"] or second.report["already_judged"] != first.report["judged"]:
        raise ReconciliationError("the second run of the same window scored photos again")


def run_nightly(
    stack: LocalStack, window: Window, run_id: str, photos: int, console: Console
) -> None:
    """Run the nightly DAG over a window, with a progress bar of the photos done."""
    conf = {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    with stack.airflow.client() as client:
        watch_run(
            client, stack, DAG_ID, run_id, conf,
            total=photos, count_done=lambda: count_settled_photos(stack, run_id), console=console,
        )  # fmt: skip


def count_settled_photos(stack: LocalStack, run_id: str) -> int:
    """Count the photos of a run that have an outcome: scored now or earlier, or quarantined."""
    query = text(
        "select count(*) from moderation.audit_image where run_id = :r and outcome is not null"
    )
    with stack.connections.engine.begin() as connection:
        return int(connection.execute(query, {"r": run_id}).scalar_one())


def _write_contact_sheet(
    folder: Path, run: DemoRun, uploads: list[Upload], console: Console
) -> None:
    path = folder / "verdicts.png"
    verdict_contact_sheet(run, uploads).save(path)
    console.print(f"contact sheet of the verdicts: {path}")
