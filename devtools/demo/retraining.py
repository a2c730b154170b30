"""`make demo-retrain`: nightly run, labels, retraining by the DAG, next nightly run, rollback."""

import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from devtools.demo import retraining_photos
from devtools.demo.nightly_run import as_variables, run_nightly, train_first_model, upload_photos
from devtools.demo.photos import Upload
from devtools.demo.result import DemoRun, PhotoState, read_run
from devtools.demo.retraining_photos import RetrainingPhotos
from devtools.demo.simulated_reviewers import simulate_reviewers
from devtools.local_stack.airflow_client import AirflowClient
from devtools.local_stack.local_stack import LocalStack
from devtools.local_stack.run_watcher import count_finished_tasks, watch_run
from ml.core.errors import ModelError, ReconciliationError, ServiceError
from ml.core.settings import ROOT, Settings
from ml.core.window import Window
from ml.models import registry
from ml.policy.verdict import VIOLATION_MAJORITY
from ml.storage import retrain_runs
from ml.storage.database import in_transaction


@dataclass(frozen=True)
class ModelResult:
    """One category under one model: photos scored, and correct verdicts among them.

    Correct is `pass` for a normal photo, and any other verdict for a violating one.
    """

    photos: int
    correct: int


def results_by_category(run: DemoRun, uploads: list[Upload]) -> dict[str, ModelResult]:
    """Count the correct verdicts of a run by category."""
    results: dict[str, ModelResult] = {}
    for upload in uploads:
        state = run.state[upload.name]
        if state.decision is not None:
            result = results.get(upload.category, ModelResult(0, 0))
            correct = result.correct + _is_correct(upload, state)
            results[upload.category] = ModelResult(result.photos + 1, correct)
    return dict(sorted(results.items()))


def _is_correct(upload: Upload, state: PhotoState) -> bool:
    return (state.decision == "pass") == (upload.label == "normal")


def print_comparison(
    before: DemoRun, after: DemoRun, held_out: list[Upload], new_category: str, console: Console
) -> None:
    """Print the correct verdicts of both models by category."""
    table = Table(title="Photos that neither model was trained on · 两个模型都未训练过的图片")
    for title in ("category 类别", "photos", "before 之前", "after 之后"):
        table.add_column(title, justify="right" if title != "category 类别" else "left")
    old, new = results_by_category(before, held_out), results_by_category(after, held_out)
    for name in new:
        mark = "  ← new · 新" if name == new_category else ""
        what = "passed 通过" if name == "normal" else "caught 拦下"
        table.add_row(
            f"{name} {what}{mark}",
            str(new[name].photos),
            _format_result(old[name]),
            _format_result(new[name]),
        )
    console.print(table)
    for title, run in (("before", before), ("after", after)):
        model = run.report["model_hash"][:12]
        console.print(f"{title}: model {model}, {_accuracy_text(run, held_out)}")


def _accuracy_text(run: DemoRun, held_out: list[Upload]) -> str:
    scored = [u for u in held_out if run.state[u.name].violation_score is not None]
    right = sum(
        ((run.state[u.name].violation_score or 0.0) >= VIOLATION_MAJORITY) == (u.label != "normal")
        for u in scored
    )
    return f"accuracy at score {VIOLATION_MAJORITY}: {right / len(scored):.1%} of {len(scored)}"


def _format_result(result: ModelResult) -> str:
    return f"{result.correct} ({result.correct / result.photos:.0%})"


RETRAIN_DAG, ROLLBACK_DAG = "retrain_model", "rollback_model"
RETRAIN_TASKS, ROLLBACK_TASKS = 12, 5
RETRAIN_TIMEOUT_SECONDS = 1500.0


def run_retraining_demo(
    settings: Settings, *, dataset: Path | None, photos: int, new_category: str, preset: str,
    console: Console,
) -> None:  # fmt: skip
    """Run the whole loop in a real Airflow, check it in the database and print the improvement.

    Raises:
        ModelError: the candidate was not promoted; the message says why.
        ReconciliationError: the verdicts after the rollback differ from those of the first run.
        ServiceError: a server or Airflow failed.
    """
    began = datetime.now(UTC)
    name = f"{began:%Y%m%dT%H%M%S}"
    changed = {"photo_prefix": f"reviews/retraining-{name}/", "lookback_days": 0}
    settings = settings.model_copy(update=changed)
    console.rule("1 · photos")
    source = _load_photos(settings, dataset, photos, new_category)
    console.rule("2 · servers")
    with console.status("starting PostgreSQL and SeaweedFS"):
        stack = LocalStack(settings, as_variables(changed))
        stack.prepare()
    try:
        _RetrainingDemo(stack, source, name, preset, console).run(began)
    finally:
        with console.status("stopping"):
            stack.stop()
    console.print(f"done in {(datetime.now(UTC) - began).total_seconds():.0f} s")


def _load_photos(
    settings: Settings, dataset: Path | None, photos: int, new_category: str
) -> RetrainingPhotos:
    folder = settings.data_dir / "demo" / "retraining"
    if dataset is None:
        return retraining_photos.render_photos(folder, photos, new_category)
    return retraining_photos.split_dataset(folder, dataset, new_category, settings)


class _RetrainingDemo:
    def __init__(
        self, stack: LocalStack, source: RetrainingPhotos, name: str, preset: str, console: Console
    ) -> None:
        self._stack, self._source, self._console = stack, source, console
        self._preset = preset
        self._uploads = [*source.to_label, *source.held_out]
        self._first_run, self._second_run = f"retraining-{name}", f"retraining-{name}-next"
        self._retraining_run, self._rollback_run = f"retrain-{name}", f"rollback-{name}"

    def run(self, began: datetime) -> None:
        stack, console = self._stack, self._console
        console.rule("3 · first model, and imported labels")
        train_first_model(stack, self._source.training)
        self._import_labels()
        console.rule("4 · nightly run, and simulated reviewers")
        upload_photos(stack, self._uploads)
        window = Window(began - timedelta(minutes=1), datetime.now(UTC) + timedelta(seconds=1))
        with console.status("starting Airflow"):
            stack.airflow.prepare()
            stack.airflow.start()
        run_nightly(stack, window, self._first_run, len(self._uploads), console)
        before = read_run(stack.connections, self._first_run, stack.settings)
        labels = simulate_reviewers(
            self._first_run, self._source.to_label, settings=stack.settings,
            connections=stack.connections,
        )  # fmt: skip
        console.print(
            f"simulated: {labels['reviewed']} reviewer decisions, {labels['spot_checked']} spot "
            f"checks of passed photos, {labels['complaints']} customer complaints"
        )
        console.rule("5 · retraining")
        self._retrain_model()
        console.rule("6 · second nightly run")
        run_nightly(stack, window, self._second_run, len(self._uploads), console)
        after = read_run(stack.connections, self._second_run, stack.settings)
        print_comparison(before, after, self._source.held_out, self._source.new_category, console)
        console.rule("7 · rollback")
        self._roll_back()

    def _import_labels(self) -> None:
        command = [sys.executable, "-m", "ml", "labels", "import", str(self._source.labels)]
        environment = self._stack.airflow.environment()
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
            raise ServiceError("the import of labels failed; its message is above")

    def _retrain_model(self) -> None:
        began = time.monotonic()
        with self._stack.airflow.client() as client:
            watch_run(
                client, self._stack, RETRAIN_DAG, self._retraining_run, {"preset": self._preset},
                total=RETRAIN_TASKS,
                count_done=lambda: count_finished_tasks(client, RETRAIN_DAG, self._retraining_run),
                console=self._console, timeout_seconds=RETRAIN_TIMEOUT_SECONDS,
                on_poll=lambda: self._approve_when_asked(client),
            )  # fmt: skip
            note = client.run(RETRAIN_DAG, self._retraining_run)["note"]
        self._console.print(note or "", markup=False, highlight=False)
        engine = self._stack.connections.engine
        run = in_transaction(engine, lambda c: retrain_runs.load(c, self._retraining_run))
        self._console.print(f"{run.state} after {time.monotonic() - began:.0f} s")
        if run.state != "promoted":
            raise ModelError(f"the candidate was not promoted: {run.state}, {run.reason}")
        if in_transaction(engine, registry.champion_hash) != run.candidate_hash:
            raise ModelError("the candidate was promoted but is not the champion")

    def _approve_when_asked(self, client: AirflowClient) -> None:
        """Approve by the REST API, as an approver would in the Airflow UI."""
        if client.approve(RETRAIN_DAG, self._retraining_run, "approve"):
            self._console.print("approved by Airflow's REST API, in place of its UI")

    def _roll_back(self) -> None:
        conf = {"version": "previous", "reason": "demo", "run_ids": [self._first_run]}
        with self._stack.airflow.client() as client:
            watch_run(
                client, self._stack, ROLLBACK_DAG, self._rollback_run, conf, total=ROLLBACK_TASKS,
                count_done=lambda: count_finished_tasks(client, ROLLBACK_DAG, self._rollback_run),
                console=self._console,
            )  # fmt: skip
            started = client.result(ROLLBACK_DAG, self._rollback_run, "runs_to_rejudge")
        engine = self._stack.connections.engine
        champion = in_transaction(engine, registry.champion_hash)
        again = started[0]["trigger_run_id"]
        differing = _count_differing_verdicts(self._stack, self._first_run, again)
        if differing:
            raise ReconciliationError(f"{differing} verdicts differ after the rollback")
        self._console.print(
            f"rolled back to {champion[:12]}; its verdicts equal those of the first run"
        )


_VERDICT_ROWS = text(
    """
    select object_key, outcome = 'quarantined', decision, reasons, violation_score
    from moderation.audit_result where run_id = :run_id order by object_key
    """
)


def _count_differing_verdicts(stack: LocalStack, run_id: str, again: str) -> int:
    def rows(name: str) -> list[tuple[object, ...]]:
        found = in_transaction(
            stack.connections.engine, lambda c: c.execute(_VERDICT_ROWS, {"run_id": name}).all()
        )
        return [tuple(row) for row in found]

    first, second = rows(run_id), rows(again)
    if len(first) != len(second):
        return abs(len(first) - len(second))
    return sum(a != b for a, b in zip(first, second, strict=True))
