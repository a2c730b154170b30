"""`moderation.retrain_run`: one row a retraining run, filled step by step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from ml.core.errors import RunNotStarted, StorageError
from ml.core.types import EpochResult
from ml.policy.schema import Policy, parse_stored_policy
from ml.storage.rows import columns_of, insert_new
from ml.storage.schema import retrain_run, training_epoch


@dataclass(frozen=True)
class RetrainRun:
    """The inputs of a run, fixed when it starts, and its results so far (from `snapshot_hash`).

    `weights_sha256` are the pretrained weights that an earlier run distilled, one more start of
    this one; `starts` compares the starts and the result.
    """

    run_id: str
    as_of: datetime
    policy: Policy
    preset: str
    seed: int
    champion_hash: str | None
    weights_sha256: str | None = None
    snapshot_hash: str | None = None
    candidate_hash: str | None = None
    state: str = "running"
    reason: str = ""
    starts: list[dict[str, Any]] | None = None
    photo_list_hash: str | None = None


def begin(connection: Connection, run: RetrainRun) -> RetrainRun:
    """Write the run's row unless it exists; return the stored run.

    A retry keeps the policy, preset, champion and pretrained weights of the first attempt.

    Raises:
        StorageError: the row is for labels as of another moment.
    """
    names = ("run_id", "as_of", "preset", "seed", "champion_hash", "weights_sha256")
    row = {name: getattr(run, name) for name in names} | {
        "policy_version": run.policy.version,
        "policy": run.policy.model_dump(mode="json"),
    }
    insert_new(connection, retrain_run, [row])
    stored = load(connection, run.run_id)
    if stored.as_of != run.as_of:
        raise StorageError(f"run {run.run_id} was begun for labels as of {stored.as_of}")
    return stored


def load(connection: Connection, run_id: str, *, lock: bool = False) -> RetrainRun:
    """The run as it is now; locked until the end of the transaction if asked.

    Raises:
        RunNotStarted: there is no such run.
        PolicyError: another version of this program stored its policy.
    """
    query = select(*columns_of(retrain_run, RetrainRun)).where(retrain_run.c.run_id == run_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise RunNotStarted(f"no retraining run {run_id!r}: its `snapshot_labels` did not finish")
    return RetrainRun(
        **{**row, "policy": parse_stored_policy(row["policy"], owner=f"retraining run {run_id}")}
    )


def load_with_snapshot(connection: Connection, run_id: str) -> tuple[RetrainRun, str]:
    """The run and the hash of its snapshot; raises RunNotStarted where either is missing."""
    run = load(connection, run_id)
    if run.snapshot_hash is None:
        raise RunNotStarted(
            f"retraining run {run_id!r} has no snapshot: its `snapshot_labels` did not finish"
        )
    return run, run.snapshot_hash


def set_values(connection: Connection, run_id: str, **values: object) -> None:
    """Set columns of a run's row."""
    connection.execute(update(retrain_run).where(retrain_run.c.run_id == run_id).values(**values))


def finish(connection: Connection, run_id: str, state: str, reason: str) -> None:
    """Record how a run ended and why; the first ending stays."""
    connection.execute(
        update(retrain_run)
        .where(retrain_run.c.run_id == run_id, retrain_run.c.state == "running")
        .values(state=state, reason=reason, finished_at=func.now())
    )


def write_epochs(connection: Connection, run_id: str, epochs: Sequence[EpochResult]) -> None:
    """Write the training curves. Idempotent."""
    columns = training_epoch.c
    rows = [
        {name: value for name, value in asdict(epoch).items() if name in columns}
        | {"run_id": run_id, "epoch": epoch.number}
        for epoch in epochs
    ]
    insert_new(connection, training_epoch, rows)


def load_curves(
    connection: Connection, run_id: str, names: Sequence[str]
) -> dict[str, list[float]]:
    """The named columns of `training_epoch`, a value an epoch; empty without epochs."""
    columns = [training_epoch.c[name] for name in names]
    query = select(*columns).where(training_epoch.c.run_id == run_id)
    rows = connection.execute(query.order_by(training_epoch.c.epoch)).all()
    return {name: [row[i] for row in rows] for i, name in enumerate(names)} if rows else {}
