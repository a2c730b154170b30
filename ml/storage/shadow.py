"""`moderation.shadow` and `shadow_verdict`: a candidate that judges without effect."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from ml.inference.outcome import Scored
from ml.model.card import ModelCard
from ml.policy.verdict import decide
from ml.storage.audit_runs import AuditRun
from ml.storage.schema import shadow, shadow_verdict


def requested(connection: Connection) -> str | None:
    """The version that the next night is to judge with, too."""
    found: str | None = connection.execute(select(shadow.c.model_hash)).scalar()
    return found


def request(connection: Connection, model_hash: str) -> None:
    """Put a version into the shadow, in the place of any other; again is no change."""
    new = insert(shadow).values(one_row=True, model_hash=model_hash)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["one_row"],
            set_={name: new.excluded[name] for name in ("model_hash", "requested_at")},
            where=shadow.c.model_hash != model_hash,
        )
    )


def withdraw(connection: Connection, model_hash: str) -> None:
    """Take a version out of the shadow; no change where it is not there."""
    connection.execute(delete(shadow).where(shadow.c.model_hash == model_hash))


def write_shadow_verdicts(
    connection: Connection, run: AuditRun, card: ModelCard, scored: Sequence[Scored]
) -> None:
    """Write what the shadow would have decided; call it in the transaction of the verdicts.

    A row that is there already stays.
    """
    # The same order everywhere, or two shards that hold the same contents would lock each other.
    ordered = sorted(scored, key=lambda photo: photo.content.sha256)
    rows = [
        _row(run, card, photo, photo.shadow_scores)
        for photo in ordered
        if photo.shadow_scores is not None
    ]
    if rows:
        connection.execute(insert(shadow_verdict).on_conflict_do_nothing(), rows)


def _row(
    run: AuditRun, card: ModelCard, photo: Scored, scores: dict[str, float]
) -> dict[str, object]:
    decided = decide(
        scores,
        pass_confidence=card.cut_offs.pass_confidence,
        policy=run.policy,
        screens=photo.screens,
    )
    return {
        "run_id": run.run_id,
        "content_sha256": photo.content.sha256,
        "decision": decided.decision.value,
        "scores": scores,
        "violation_score": decided.violation_score,
    }


# Only once some photo has been judged by it: a night without photos, or one that its shadow failed,
# shows nothing. The earliest such night, so that the answer does not change.
_NIGHT = text(
    """
    select run_id from moderation.audit_run r
    where shadow_hash = :model_hash and state = 'reconciled'
        and exists (select from moderation.shadow_verdict s where s.run_id = r.run_id)
    order by reconciled_at, run_id limit 1
    """
)


def night_of(connection: Connection, model_hash: str) -> str | None:
    """The first reconciled audit run that a version judged as shadow; None if there is none."""
    found: str | None = connection.execute(_NIGHT, {"model_hash": model_hash}).scalar()
    return found


_COMPARED = text(
    """
    select ar.machine_decision, s.decision, count(*),
        (array_agg(ar.object_key order by ar.object_key))[1:cast(:samples as int)]
    from moderation.audit_result ar
    join moderation.shadow_verdict s
        on s.run_id = ar.run_id and s.content_sha256 = ar.content_sha256
    where ar.run_id = :run_id and ar.decision is not null
    group by ar.machine_decision, s.decision
    order by count(*) desc, ar.machine_decision, s.decision
    """
)


def compared(
    connection: Connection, run_id: str, *, samples: int
) -> list[tuple[str, str, int, list[str]]]:
    """Photos a pair (verdict, shadow's verdict), the most frequent pair first, and sample keys."""
    rows = connection.execute(_COMPARED, {"run_id": run_id, "samples": samples})
    return [(verdict, shadowed, count, keys) for verdict, shadowed, count, keys in rows]
