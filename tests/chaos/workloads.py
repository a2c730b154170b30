"""What a campaign interrupts: each workload calls the steps of the product one after the other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml.learning.labels.import_csv import import_labels
from ml.learning.retrain import steps as retraining
from ml.moderation.nightly import steps as nightly
from ml.operations.backup.backup import take_backup
from ml.operations.retention import steps as retention
from ml.policy.schema import load_policy
from ml.review.decide import ReviewerDecision, decide_task
from ml.review.queue import claim_tasks
from ml.review.second_review import open_follow_ups
from ml.storage.connections import task_context
from ml.storage.database import in_transaction
from ml.storage.review_queue import list_claimed

SURE = 0.97  # violation score of dark photos, at least; those of middle brightness have less

# Runs a step until it succeeds, and returns its result.
RunStep = Callable[..., Any]


@dataclass(frozen=True)
class Inputs:
    """What the workloads are given, the same in every run."""

    first_window: tuple[str, str]
    second_window: tuple[str, str]
    labels: Path
    preset: Path
    folder: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def run_first_nightly_run(run: RunStep, inputs: Inputs) -> None:
    """Judge the first day."""
    _nightly_run(run, "first", inputs.first_window, inputs.now)


def run_nightly_run(run: RunStep, inputs: Inputs) -> None:
    """Judge the second day."""
    _nightly_run(run, "second", inputs.second_window, inputs.now)


def _nightly_run(run: RunStep, run_id: str, window: tuple[str, str], now: datetime) -> None:
    run(nightly.preflight, run_id, requested=window, data_interval=None, run_after=now)
    for shard in run(nightly.discover, run_id):
        run(nightly.score_shard, shard)
    for step in (nightly.write_back, nightly.reconcile, nightly.report):
        run(step, run_id)


def run_review(run: RunStep, _: Inputs) -> None:
    """Let three reviewers empty the queue."""
    for reviewer in ("ann", "bob", "cleo"):
        run(decide_all, reviewer)


def decide_all(reviewer: str) -> int:
    """Decide what a reviewer holds and then what waits, as the queue's page does."""
    decided = 0
    with task_context() as (settings, connections):
        policy = load_policy(settings.policy_file)
        parts = {"commerce": connections.commerce, "names": settings.commerce}

        def give(connection: Any) -> list[Any]:  # noqa: ANN401
            held = list_claimed(connection, reviewer=reviewer)
            return held or claim_tasks(
                connection, reviewer=reviewer, count=8, commerce=connections.commerce,
                lease_seconds=policy.reviewing.lease_seconds,
            )  # fmt: skip

        def decide(connection: Any, task: Any) -> None:  # noqa: ANN401
            # To them, what the champion is unsure of is normal; they err on different photos.
            errs = (int(task.content_sha256[:4], 16) + sum(map(ord, reviewer))) % 9 == 0
            violates = ((task.violation_score or 0.0) > SURE) != errs
            made = ReviewerDecision(task.task_id, ("normal", "violate")[violates], reviewer)
            decide_task(connection, made, policy=policy, lease_holder=reviewer, **parts)
            open_follow_ups(connection, task.task_id, policy=policy)

        while tasks := in_transaction(connections.engine, give):
            for task in tasks:
                in_transaction(connections.engine, decide, task)
                decided += 1
    return decided


def run_import(run: RunStep, inputs: Inputs) -> None:
    """Import a CSV file of labels."""
    run(import_file, inputs.labels)


def import_file(file: Path) -> int:
    """Import, as the command does; return how many lines were rejected."""
    with task_context() as (settings, connections):
        policy = load_policy(settings.policy_file)
        result = import_labels(file, settings=settings, connections=connections, policy=policy)
        return len(result.rejected)


def run_retraining(run: RunStep, inputs: Inputs) -> None:
    """Train on the labels so far, and promote the result; the steps of `dags/retrain_model.py`."""
    run_id, later = "retraining", inputs.now + timedelta(hours=1)  # after the last decision
    run(
        retraining.create_snapshot, run_id, requested=None, interval_end=later, run_after=later,
        preset=str(inputs.preset), seed=0,
    )  # fmt: skip
    run(retraining.check_labels, run_id)
    run(retraining.calibrate, run_id, run(retraining.train, run_id))
    run(retraining.evaluate, run_id)
    if run(retraining.gate, run_id):
        for step in (retraining.shadow, retraining.approval_summary, retraining.approval_mode):
            run(step, run_id)
        run(retraining.promote, run_id, by="ann")
    run(retraining.finalize_run, run_id, rejected_by=None)


def run_rollback(run: RunStep, inputs: Inputs) -> None:
    """Restore the former champion, which judges the first day again; `dags/rollback_model.py`."""
    model_hash = run(retraining.resolve_version, "previous")
    run(retraining.roll_back, model_hash, by="bob", reason="worse")
    again = run(retraining.runs_to_rejudge, ["first"], model_hash, rollback_id="rollback")
    for started in again:
        window = started["conf"]["window_start"], started["conf"]["window_end"]
        _nightly_run(run, started["trigger_run_id"], window, inputs.now)


def run_purge(run: RunStep, inputs: Inputs) -> None:
    """Delete what is expired two years later: nearly everything that may be."""
    later = inputs.now + timedelta(days=730)
    plan = run(
        retention.plan, "purge", interval_end=later, run_after=later, dry_run=False, manual=False
    )
    for kind in retention.KINDS:
        run(retention.purge, kind, plan)


def run_backup(run: RunStep, inputs: Inputs) -> None:
    """Take a backup; each attempt into a new folder, as the runbook says."""
    run(back_up, inputs.folder)


def back_up(folder: Path) -> int:
    """Take a backup; return its number of objects."""
    target = folder / f"backup-{datetime.now(UTC).timestamp():.6f}"
    with task_context() as (_, connections):
        return take_backup(target, connections).objects


@dataclass(frozen=True)
class Workload:
    """A workload, and how often a campaign runs it, relative to the others.

    `cut_errors` are what its steps may raise when connections are cut.
    """

    run: Callable[[RunStep, Inputs], None]
    weight: int = 1
    cut_errors: frozenset[str] = frozenset({"StorageUnavailable", "ShardIncomplete"})

    @property
    def name(self) -> str:
        """The name of the function without `run_`."""
        return self.run.__name__.removeprefix("run_")


# In this order: each starts from the end state of the one before.
WORKLOADS = (
    Workload(run_nightly_run, weight=6),
    Workload(run_review, weight=2),
    Workload(run_import, weight=1),
    Workload(run_retraining, weight=3),
    Workload(run_rollback, weight=2),
    Workload(run_purge),
    # `pg_dump` is not retried: an operator takes another backup.
    Workload(run_backup, cut_errors=frozenset({"StorageUnavailable", "BackupError"})),
)
