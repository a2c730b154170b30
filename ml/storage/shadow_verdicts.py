"""`moderation.shadow` and `shadow_verdict`: a candidate that scores photos without effect."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, select, text
from sqlalchemy.dialects.postgresql import insert

from ml.policy.verdict import Verdict
from ml.storage.rows import insert_new, load_value
from ml.storage.schema import audit_run, shadow, shadow_verdict


def requested(connection: Connection) -> str | None:
    """The version that the next nightly run scores with as its shadow; None without one."""
    return load_value(connection, select(shadow.c.model_hash), str)


def request(connection: Connection, model_hash: str) -> None:
    """Make a version the shadow, replacing any other. Idempotent."""
    new = insert(shadow).values(singleton=True, model_hash=model_hash)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["singleton"],
            set_={name: new.excluded[name] for name in ("model_hash", "requested_at")},
            where=shadow.c.model_hash != model_hash,
        )
    )


def withdraw(connection: Connection, model_hash: str) -> None:
    """End the shadow of a version; does nothing if it is not the shadow."""
    connection.execute(delete(shadow).where(shadow.c.model_hash == model_hash))


@dataclass(frozen=True)
class ShadowVerdict:
    """What the shadow would have decided on one content, and its scores (0..1 a class)."""

    content_sha256: str
    verdict: Verdict
    scores: dict[str, float]


def write_shadow_verdicts(
    connection: Connection, run_id: str, verdicts: Sequence[ShadowVerdict]
) -> None:
    """Write a run's shadow verdicts, in the transaction of its verdicts; existing rows stay."""
    # In one order everywhere: two shards with the same contents would deadlock otherwise.
    rows = [
        {
            "run_id": run_id,
            "content_sha256": shadowed.content_sha256,
            "decision": shadowed.verdict.decision.value,
            "scores": shadowed.scores,
            "violation_score": shadowed.verdict.violation_score,
        }
        for shadowed in sorted(verdicts, key=lambda verdict: verdict.content_sha256)
    ]
    insert_new(connection, shadow_verdict, rows)


def first_run_of(connection: Connection, model_hash: str) -> str | None:
    """The first reconciled nightly run with a version as its shadow; None if there is none.

    A run without photos, or whose shadow failed, has no shadow verdicts and shows nothing.
    """
    run = audit_run.c
    query = select(run.run_id).where(
        run.shadow_hash == model_hash,
        run.state == "reconciled",
        exists().where(shadow_verdict.c.run_id == run.run_id),
    )
    # The earliest of them, so that the answer does not change later.
    first = query.order_by(run.reconciled_at, run.run_id).limit(1)
    return load_value(connection, first, str)


_COMPARED = text(
    """
    select ar.machine_decision, s.decision, count(*),
        (array_agg(ar.object_key order by ar.object_key))[1:cast(:samples as int)]
    from moderation.audit_result ar
    cross join lateral (
        select decision from moderation.shadow_verdict s
        where s.run_id = ar.run_id and s.content_sha256 = ar.content_sha256 offset 0
    ) s
    where ar.run_id = :run_id and ar.decision is not null
        and (hashtext(ar.object_key) & 2147483647) % :every = 0
    group by ar.machine_decision, s.decision
    order by count(*) desc, ar.machine_decision, s.decision
    """
)


def compare_decisions(
    connection: Connection, run_id: str, *, samples: int, every: int = 1
) -> list[tuple[str, str, int, list[str]]]:
    """Photos by pair (verdict, shadow's verdict), the most frequent pair first, and sample keys.

    Compares one in `every` photos, by the hash of their keys.
    """
    values = {"run_id": run_id, "samples": samples, "every": every}
    rows = connection.execute(_COMPARED, values)
    return [(verdict, shadowed, count, keys) for verdict, shadowed, count, keys in rows]
