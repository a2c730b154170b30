"""`moderation.audit_run` and `audit_shard`: nightly runs and their slices."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, RowMapping, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ml.core.errors import RunNotStarted, StorageError
from ml.core.types import Shard
from ml.core.window import Window
from ml.policy.schema import Policy
from ml.storage.schema import audit_image, audit_run, audit_shard

MAX_SHARDS = 200  # mapped tasks that the scheduler and the UI handle well


class VerdictContext(Protocol):
    """What makes a verdict: a nightly run, or the online service.

    Reviewer decisions count if they were made before `started_at`; None counts all of them.
    """

    @property
    def run_id(self) -> str:
        """The run that is stored with the verdict."""
        ...  # pragma: no cover - a protocol's method has no body

    @property
    def model_hash(self) -> str:
        """The model version."""
        ...  # pragma: no cover - as above

    @property
    def policy(self) -> Policy:
        """The policy."""
        ...  # pragma: no cover - as above

    @property
    def started_at(self) -> datetime | None:
        """When it started."""
        ...  # pragma: no cover - as above


@dataclass(frozen=True)
class AuditRun:
    """The window, model and policy of a run, fixed when it starts.

    `shadow_hash` is a version that scores the photos without effect; `started_at` is None until
    the run's row is written.
    """

    run_id: str
    window: Window
    model_hash: str
    policy: Policy
    device: str
    shadow_hash: str | None = None
    started_at: datetime | None = None


def begin(connection: Connection, run: AuditRun) -> AuditRun:
    """Write the run's row unless it exists; return the stored run.

    A retry keeps the champion and policy of the first attempt, whatever was promoted since.

    Raises:
        StorageError: the row is for another window.
    """
    row = insert(audit_run).values(
        run_id=run.run_id,
        window_start=run.window.start,
        window_end=run.window.end,
        model_hash=run.model_hash,
        policy_version=run.policy.version,
        policy=run.policy.model_dump(mode="json"),
        device=run.device,
        shadow_hash=run.shadow_hash,
    )
    connection.execute(row.on_conflict_do_nothing())
    stored = load(connection, run.run_id)
    if stored.window != run.window:
        raise StorageError(f"run {run.run_id} was begun for another window: {stored.window}")
    return stored


def load(connection: Connection, run_id: str) -> AuditRun:
    """The run as `preflight` stored it.

    Raises:
        RunNotStarted: there is no such run.
    """
    row = row_of(connection, run_id)
    return AuditRun(
        run_id=run_id,
        window=Window(row["window_start"], row["window_end"]),
        model_hash=row["model_hash"],
        policy=Policy.model_validate(row["policy"]),
        device=row["device"],
        shadow_hash=row["shadow_hash"],
        started_at=row["started_at"],
    )


def row_of(connection: Connection, run_id: str, *, lock: bool = False) -> RowMapping:
    """The whole row of a run; locked until the transaction's end if asked.

    Raises:
        RunNotStarted: there is no such run.
    """
    query = select(audit_run).where(audit_run.c.run_id == run_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise RunNotStarted(f"no audit run {run_id!r}: its `preflight` did not finish")
    return row


def set_values(connection: Connection, run_id: str, **values: object) -> None:
    """Set columns of a run's row."""
    connection.execute(update(audit_run).where(audit_run.c.run_id == run_id).values(**values))


def write_accounting(
    connection: Connection,
    run_id: str,
    *,
    judged: int,
    quarantined: int,
    already_judged: int,
    state: str,
) -> None:
    """Write what became of a run's images; the time of the first accounting stays."""
    set_values(
        connection,
        run_id,
        judged=judged,
        quarantined=quarantined,
        already_judged=already_judged,
        state=state,
        reconciled_at=func.coalesce(audit_run.c.reconciled_at, func.now()),
    )


def cut_shards(connection: Connection, run_id: str, *, shard_size: int) -> None:
    """Cut the run's undecided images into shards of about `shard_size`, at most MAX_SHARDS."""
    undecided = select(func.count()).where(
        audit_image.c.run_id == run_id, audit_image.c.outcome.is_(None)
    )
    images = connection.execute(undecided).scalar_one()
    if images:
        shards = min(MAX_SHARDS, -(-images // shard_size))
        connection.execute(_INSERT_SHARDS, {"run_id": run_id, "shards": shards})


_INSERT_SHARDS = text(
    """
    insert into moderation.audit_shard (run_id, shard_index, first_key, last_key, images)
    select :run_id, slice - 1, min(object_key), max(object_key), count(*)
    from (
        select object_key, ntile(:shards) over (order by object_key) as slice
        from moderation.audit_image
        where run_id = :run_id and outcome is null
    ) as sliced
    group by slice
    """
)


def shards_of(connection: Connection, run_id: str) -> list[Shard]:
    """The shards of a run, in key order."""
    columns = audit_shard.c
    query = (
        select(
            columns.run_id,
            columns.shard_index.label("index"),
            columns.first_key,
            columns.last_key,
            columns.images,
        )
        .where(columns.run_id == run_id)
        .order_by(columns.shard_index)
    )
    return [Shard(**row) for row in connection.execute(query).mappings()]


_ADD_SECONDS = text(
    """
    update moderation.audit_shard
    set seconds = (
        select jsonb_object_agg(stage, coalesce((seconds ->> stage)::float, 0) + value::float)
        from jsonb_each_text(cast(:seconds as jsonb)) as added(stage, value)
    )
    where run_id = :run_id and shard_index = :index
    """
)


def add_seconds(connection: Connection, shard: Shard, seconds_json: str) -> None:
    """Add seconds by stage (a JSON object) to those that the shard has used so far."""
    connection.execute(
        _ADD_SECONDS,
        {"seconds": seconds_json, "run_id": shard.run_id, "index": shard.index},
    )


def seconds_of(connection: Connection, run_id: str) -> dict[str, float]:
    """Seconds by stage, summed over the run's shards."""
    query = text(
        """
        select stage, sum(value::float)
        from moderation.audit_shard, jsonb_each_text(seconds) as each_stage(stage, value)
        where run_id = :run_id group by stage order by stage
        """
    )
    rows = connection.execute(query, {"run_id": run_id})
    return {stage: value for stage, value in rows}  # noqa: C416 - rows, not pairs, to mypy
