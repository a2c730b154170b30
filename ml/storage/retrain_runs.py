"""`moderation.retrain_run`: one row a monthly run, filled step by step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from ml.errors import RunNotBegun, StorageError
from ml.policy.policy import Policy
from ml.storage.schema import retrain_run, training_epoch
from ml.training.progress import EpochResult


@dataclass(frozen=True)
class RetrainRun:
    """What a run learns from and by; fixed when it starts, but for the last four."""

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
    """Write the run's row unless it is there; return what the row says.

    On a retry the first attempt's policy, preset and champion stand.

    Raises:
        StorageError: the row is for other labels.
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


def load(connection: Connection, run_id: str) -> RetrainRun:
    """The run as it is now.

    Raises:
        RunNotBegun: there is no such run.
    """
    query = select(retrain_run).where(retrain_run.c.run_id == run_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise RunNotBegun(f"no retraining run {run_id!r}: its `freeze` did not finish")
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


def set_values(connection: Connection, run_id: str, **values: object) -> None:
    """Set columns of a run's row."""
    connection.execute(update(retrain_run).where(retrain_run.c.run_id == run_id).values(**values))


def finish(connection: Connection, run_id: str, state: str, reason: str) -> None:
    """Say how a run ended and why; the first end stays."""
    connection.execute(
        update(retrain_run)
        .where(retrain_run.c.run_id == run_id, retrain_run.c.state == "running")
        .values(state=state, reason=reason, finished_at=func.now())
    )


def write_epochs(connection: Connection, run_id: str, epochs: Sequence[EpochResult]) -> None:
    """Write the training curves; again is no change."""
    rows = []
    for epoch in epochs:
        values = asdict(epoch)
        del values["epochs"]
        rows.append({"run_id": run_id, "epoch": values.pop("number"), **values})
    if rows:
        connection.execute(insert(training_epoch).on_conflict_do_nothing(), rows)
