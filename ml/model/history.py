"""What the history answers: which version was live when, and which one judged a photo."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, text

from ml.audit.window import Window
from ml.storage.schema import promotion


@dataclass(frozen=True)
class Promotion:
    """One switch of the champion; `previous_hash` is None for the first."""

    promotion_id: int
    model_hash: str
    previous_hash: str | None
    promoted_by: str
    reason: str
    promoted_at: datetime
    kind: str


@dataclass(frozen=True)
class Judged:
    """What one audit run made of a photo.

    `etag` tells contents under one key apart. `decision` is None where the photo was quarantined
    or is still undecided, as `outcome` says. `judged_at` is when the verdict was made: earlier
    than the run itself, where the photo had been judged by this version and policy before.
    """

    run_id: str
    window: Window
    model_hash: str
    policy_version: str
    etag: str
    outcome: str | None
    decision: str | None
    reasons: tuple[str, ...]
    judged_at: datetime | None


def promotions(connection: Connection) -> list[Promotion]:
    """Every switch of the champion, the first one first."""
    query = select(promotion).order_by(promotion.c.promotion_id)
    return [Promotion(**row) for row in connection.execute(query).mappings()]


def champion_at(connection: Connection, moment: datetime) -> str | None:
    """The version that was champion at a moment; None before the first promotion.

    A night that was running then may have used the one before: it keeps what it began with
    (`judged_by` tells).
    """
    query = (
        select(promotion.c.model_hash)
        .where(promotion.c.promoted_at <= moment)
        .order_by(promotion.c.promotion_id.desc())
        .limit(1)
    )
    found: str | None = connection.execute(query).scalar()
    return found


_JUDGED = text(
    """
    select ar.run_id, r.window_start, r.window_end, ar.model_hash, ar.policy_version, ar.etag,
        ar.outcome, ar.decision, coalesce(ar.reasons, '{}') as reasons, ar.judged_at
    from moderation.audit_result ar
    join moderation.audit_run r on r.run_id = ar.run_id
    where ar.object_key = :object_key
    order by r.started_at, ar.run_id
    """
)


def judged_by(connection: Connection, object_key: str) -> list[Judged]:
    """Every audit run that answered for a photo, the earliest first; empty for an unknown key."""
    rows = connection.execute(_JUDGED, {"object_key": object_key})
    return [
        Judged(run_id, Window(start, end), model, policy, etag, outcome, decision, tuple(why), at)
        for run_id, start, end, model, policy, etag, outcome, decision, why, at in rows
    ]
