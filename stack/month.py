"""`make month`: v1, a night, people's labels, v2 by the DAG, the next night, and back again."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from sqlalchemy import text

from ml.audit.window import Window
from ml.errors import ModelError, ReconciliationError, ServiceError
from ml.model import registry
from ml.settings import ROOT, Settings
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from stack import month_photos
from stack.airflow_client import Client
from stack.demo import run_night, train_first, upload_all
from stack.demo_result import read_night
from stack.follow import finished_tasks, follow
from stack.machine import Machine
from stack.month_people import people_decide
from stack.month_photos import MonthPhotos
from stack.month_result import print_side_by_side

RETRAIN, ROLLBACK = "retrain_model", "rollback_model"
RETRAIN_TASKS, ROLLBACK_TASKS = 12, 4
MONTH_SECONDS = 1500.0


def run_month(
    settings: Settings, *, dataset: Path | None, photos: int, new_category: str, preset: str,
    console: Console,
) -> None:  # fmt: skip
    """Run the whole loop in a real Airflow, check it in the database and print what was gained.

    Raises:
        ModelError: the candidate was not promoted; the message says why.
        ReconciliationError: the night judged again after the rollback differs from the first time.
        ServiceError: a server or Airflow failed.
    """
    began = datetime.now(UTC)
    name = f"{began:%Y%m%dT%H%M%S}"
    night = {"photo_prefix": f"reviews/month-{name}/", "lookback_days": 0}
    settings = settings.model_copy(update=night)
    console.rule("1 · photos")
    source = _photos(settings, dataset, photos, new_category)
    console.rule("2 · servers")
    with console.status("starting PostgreSQL and SeaweedFS"):
        machine = Machine(settings, {f"MODERATION_{k}".upper(): str(v) for k, v in night.items()})
        machine.prepare()
    try:
        _Month(machine, source, name, preset, console).run(began)
    finally:
        with console.status("stopping"):
            machine.stop()
    console.print(f"done in {(datetime.now(UTC) - began).total_seconds():.0f} s")


def _photos(
    settings: Settings, dataset: Path | None, photos: int, new_category: str
) -> MonthPhotos:
    folder = settings.data_dir / "demo" / "month"
    if dataset is None:
        return month_photos.rendered(folder, photos, new_category)
    return month_photos.from_folder(folder, dataset, new_category, settings)


class _Month:
    def __init__(
        self, machine: Machine, source: MonthPhotos, name: str, preset: str, console: Console
    ) -> None:
        self._machine, self._source, self._console = machine, source, console
        self._preset = preset
        self._uploads = [*source.month, *source.unseen]
        self._first, self._next = f"month-{name}", f"month-{name}-next"
        self._retrain, self._back = f"retrain-{name}", f"rollback-{name}"

    def run(self, began: datetime) -> None:
        machine, console = self._machine, self._console
        console.rule("3 · first model, and the shop's labels")
        train_first(machine, self._source.training)
        self._import_labels()
        console.rule("4 · a night, and people who decide")
        upload_all(machine, self._uploads)
        window = Window(began - timedelta(minutes=1), datetime.now(UTC) + timedelta(seconds=1))
        with console.status("starting Airflow"):
            machine.airflow.prepare()
            machine.airflow.start()
        run_night(machine, window, self._first, len(self._uploads), console)
        before = read_night(machine.connections, self._first, machine.settings)
        labels = people_decide(
            self._first, self._source.month, settings=machine.settings,
            connections=machine.connections,
        )  # fmt: skip
        console.print(
            f"people decided {labels['reviewed']} photos, audited {labels['audited']} that had "
            f"passed, and {labels['complaints']} complaints came in"
        )
        console.rule("5 · the month")
        self._retrain_model()
        console.rule("6 · the next night")
        run_night(machine, window, self._next, len(self._uploads), console)
        after = read_night(machine.connections, self._next, machine.settings)
        print_side_by_side(before, after, self._source.unseen, self._source.new_category, console)
        console.rule("7 · back again")
        self._roll_back()

    def _import_labels(self) -> None:
        command = [sys.executable, "-m", "ml", "labels", "import", str(self._source.labels)]
        environment = self._machine.airflow.environment()
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
            raise ServiceError("the import of labels failed; its message is above")

    def _retrain_model(self) -> None:
        began = time.monotonic()
        with self._machine.airflow.client() as client:
            follow(
                client, self._machine, RETRAIN, self._retrain, {"preset": self._preset},
                total=RETRAIN_TASKS,
                settled=lambda: finished_tasks(client, RETRAIN, self._retrain),
                console=self._console, seconds=MONTH_SECONDS,
                meanwhile=lambda: self._say_yes(client),
            )  # fmt: skip
            note = client.run(RETRAIN, self._retrain)["note"]
        self._console.print(note or "", markup=False, highlight=False)
        engine = self._machine.connections.engine
        run = in_transaction(engine, lambda c: retrain_runs.load(c, self._retrain))
        self._console.print(f"{run.state} after {time.monotonic() - began:.0f} s")
        if run.state != "promoted":
            raise ModelError(f"the candidate was not promoted: {run.state}, {run.reason}")
        if in_transaction(engine, registry.champion_hash) != run.candidate_hash:
            raise ModelError("the candidate was promoted but is not the champion")

    def _say_yes(self, client: Client) -> None:
        """Answer the approval as a person would in the UI, once it is asked."""
        if client.approve(RETRAIN, self._retrain, "approve"):
            self._console.print("a person approved in the Airflow UI's place: its REST API")

    def _roll_back(self) -> None:
        given = {"version": "previous", "reason": "month demo", "nights": [self._first]}
        with self._machine.airflow.client() as client:
            follow(
                client, self._machine, ROLLBACK, self._back, given, total=ROLLBACK_TASKS,
                settled=lambda: finished_tasks(client, ROLLBACK, self._back),
                console=self._console,
            )  # fmt: skip
        engine = self._machine.connections.engine
        champion = in_transaction(engine, registry.champion_hash)
        again = f"again__{self._first}__{champion[:12]}"
        differing = _differing(self._machine, self._first, again)
        if differing:
            raise ReconciliationError(f"{differing} verdicts differ after the rollback")
        self._console.print(
            f"rolled back to {champion[:12]}; the night judged again equals the first, row by row"
        )


_ROWS = text(
    """
    select object_key, outcome = 'quarantined', decision, reasons, violation_score
    from moderation.audit_result where run_id = :run_id order by object_key
    """
)


def _differing(machine: Machine, run_id: str, again: str) -> int:
    def rows(name: str) -> list[tuple[object, ...]]:
        found = in_transaction(
            machine.connections.engine, lambda c: c.execute(_ROWS, {"run_id": name}).all()
        )
        return [tuple(row) for row in found]

    first, second = rows(run_id), rows(again)
    if len(first) != len(second):
        return abs(len(first) - len(second))
    return sum(a != b for a, b in zip(first, second, strict=True))
