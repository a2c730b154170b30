"""`moderation.audit_run` and `audit_shard`: nightly runs and their slices."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, func, select, text, update

from ml.core.computation import Computation
from ml.core.errors import RunNotStarted, StorageError
from ml.core.types import Shard
from ml.core.window import Window
from ml.policy.schema import Policy, parse_stored_policy
from ml.storage.rows import insert_new, load_dict
from ml.storage.schema import audit_image, audit_run, audit_shard

MAX_SHARDS = 200  # mapped tasks that the scheduler and the UI handle well


@dataclass(frozen=True)
class AuditRun:
    """The window, model, policy, computation and batch size of a run, fixed when it starts.

    `shadow_hash` is a version that scores the photos without effect; `started_at` is None until
    the run's row is written. `computation` is None for runs of older releases: torch, in the number
    type of each machine; and `batch_size`: that of each machine's settings. `fallback` says why
    the computation is not the one that came first.
    """

    run_id: str
    window: Window
    model_hash: str
    policy: Policy
    device: str
    shadow_hash: str | None = None
    started_at: datetime | None = None
    computation: Computation | None = None
    batch_size: int | None = None
    fallback: str | None = None


def begin(connection: Connection, run: AuditRun) -> AuditRun:
    """Write the run's row unless it exists; return the stored run.

    A retry keeps the champion and policy of the first attempt, whatever was promoted since.

    Raises:
        StorageError: the row is for another window.
    """
    names = ("run_id", "model_hash", "device", "shadow_hash", "batch_size", "fallback")
    row = {name: getattr(run, name) for name in names} | {
        **(run.computation.names if run.computation else {}),
        "window_start": run.window.start,
        "window_end": run.window.end,
        "policy_version": run.policy.version,
        "policy": run.policy.model_dump(mode="json"),
    }
    insert_new(connection, audit_run, [row])
    stored = load(connection, run.run_id)
    if stored.window != run.window:
        raise StorageError(f"run {run.run_id} was begun for another window: {stored.window}")
    return stored


def load(connection: Connection, run_id: str) -> AuditRun:
    """The run as `preflight` stored it.

    Raises:
        RunNotStarted: there is no such run.
        PolicyError: another version of this program stored its policy.
    """
    row = row_of(connection, run_id)
    names = ("run_id", "model_hash", "device", "shadow_hash", "started_at")
    return AuditRun(
        computation=Computation.from_names({**row}),
        window=Window(row["window_start"], row["window_end"]),
        policy=parse_stored_policy(row["policy"], owner=f"run {run_id}"),
        **{name: row[name] for name in (*names, "batch_size", "fallback")},
    )


def row_of(connection: Connection, run_id: str) -> RowMapping:
    """The whole row of a run.

    Raises:
        RunNotStarted: there is no such run.
    """
    query = select(audit_run).where(audit_run.c.run_id == run_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise RunNotStarted(f"no audit run {run_id!r}: its `preflight` did not finish")
    return row


def is_listed(connection: Connection, run_id: str, *, lock: bool = False) -> bool:
    """Whether a run's images are complete; its row stays locked in the transaction if asked."""
    query = select(audit_run.c.listed.is_not(None)).where(audit_run.c.run_id == run_id)
    return bool(connection.execute(query.with_for_update() if lock else query).scalar())


def set_values(connection: Connection, run_id: str, **values: object) -> None:
    """Set columns of a run's row."""
    connection.execute(update(audit_run).where(audit_run.c.run_id == run_id).values(**values))


def write_accounting(
    connection: Connection, run_id: str, *, state: str, **images_by_outcome: int
) -> None:
    """Write what became of a run's images; the time of the first accounting stays."""
    reconciled_at = func.coalesce(audit_run.c.reconciled_at, func.now())
    values = {"state": state, "reconciled_at": reconciled_at, **images_by_outcome}
    set_values(connection, run_id, **values)


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
    shard = audit_shard.c
    columns = (shard.run_id, shard.shard_index, shard.first_key, shard.last_key, shard.images)
    query = select(*columns).where(shard.run_id == run_id).order_by(shard.shard_index)
    return [Shard(*row) for row in connection.execute(query)]


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
    values = {"seconds": seconds_json, "run_id": shard.run_id, "index": shard.index}
    connection.execute(_ADD_SECONDS, values)


def seconds_of(connection: Connection, run_id: str) -> dict[str, float]:
    """Seconds by stage, summed over the run's shards."""
    query = text(
        """
        select stage, sum(value::float)
        from moderation.audit_shard, jsonb_each_text(seconds) as each_stage(stage, value)
        where run_id = :run_id group by stage order by stage
        """
    )
    return load_dict(connection, query, run_id=run_id)
