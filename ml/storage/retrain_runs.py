"""`moderation.retrain_run`: one row a retraining run, filled step by step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from ml.core.errors import RunNotStarted, StorageError
from ml.core.types import EpochResult
from ml.policy.schema import Policy
from ml.storage.schema import retrain_run, training_epoch


@dataclass(frozen=True)
class RetrainRun:
    """The inputs of a run, fixed when it starts, and its results so far (the last four fields)."""

    run_id: str
    as_of: datetime
    policy: Policy
    preset: str
    seed: int
    champion_hash: str | None
    snapshot_hash: str | None = None
    candidate_hash: str | None = None
    state: str = "running"
    reason: str = ""


def begin(connection: Connection, run: RetrainRun) -> RetrainRun:
    """Write the run's row unless it exists; return the stored run.

    A retry keeps the policy, preset and champion of the first attempt.

    Raises:
        StorageError: the row is for labels as of another moment.
    """
    row = insert(retrain_run).values(
        run_id=run.run_id,
        as_of=run.as_of,
        policy_version=run.policy.version,
        policy=run.policy.model_dump(mode="json"),
        preset=run.preset,
        seed=run.seed,
        champion_hash=run.champion_hash,
    )
    connection.execute(row.on_conflict_do_nothing())
    stored = load(connection, run.run_id)
    if stored.as_of != run.as_of:
        raise StorageError(f"run {run.run_id} was begun for labels as of {stored.as_of}")
    return stored


def load(connection: Connection, run_id: str, *, lock: bool = False) -> RetrainRun:
    """The run as it is now; locked until the end of the transaction if asked.

    Raises:
        RunNotStarted: there is no such run.
    """
    query = select(retrain_run).where(retrain_run.c.run_id == run_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise RunNotStarted(f"no retraining run {run_id!r}: its `snapshot_labels` did not finish")
    return RetrainRun(
        run_id=run_id,
        as_of=row["as_of"],
        policy=Policy.model_validate(row["policy"]),
        preset=row["preset"],
        seed=row["seed"],
        champion_hash=row["champion_hash"],
        snapshot_hash=row["snapshot_hash"],
        candidate_hash=row["candidate_hash"],
        state=row["state"],
        reason=row["reason"],
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
    rows = []
    for epoch in epochs:
        values = asdict(epoch)
        del values["epochs"]
        rows.append({"run_id": run_id, "epoch": values.pop("number"), **values})
    if rows:
        connection.execute(insert(training_epoch).on_conflict_do_nothing(), rows)


def load_curves(
    connection: Connection, run_id: str, names: Sequence[str]
) -> dict[str, list[float]]:
    """The named columns of `training_epoch`, a value an epoch; empty without epochs."""
    columns = [training_epoch.c[name] for name in names]
    query = select(*columns).where(training_epoch.c.run_id == run_id)
    rows = connection.execute(query.order_by(training_epoch.c.epoch)).all()
    return {name: [row[i] for row in rows] for i, name in enumerate(names)} if rows else {}
