"""The photos behind a number of a night: a page at a time, in key order.

A rare verdict among hundreds of thousands has no index of its own. So the keys are walked in
chunks, and a page that takes too long ends where it is, to be gone on from there: the reader gets
what was found, never a wait of many seconds.
"""

import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, text

PAGE = 60
FIRST_CHUNK, CHUNK = 250, 5_000  # keys a query; more each time, since common photos come at once
PATIENCE_SECONDS = 1.5
Outcome = Literal["judged", "quarantined", "already_judged", "undecided"]
Decision = Literal["pass", "review", "block"]


@dataclass(frozen=True)
class Wanted:
    """Which photos of a run; None asks for nothing.

    `reason` is one of a verdict, or that of a quarantine.
    """

    run_id: str
    outcome: Outcome | None = None
    decision: Decision | None = None
    reason: str | None = None


@dataclass(frozen=True)
class NightPhoto:
    """What a run made of one photo; `content_sha256` is None where its bytes were never read."""

    object_key: str
    etag: str
    content_sha256: str | None
    outcome: str | None
    decision: str | None
    reasons: tuple[str, ...]
    violation_score: float | None
    model_hash: str
    quarantine_reason: str | None
    quarantine_detail: str | None


@dataclass(frozen=True)
class Found:
    """Photos in key order; `next_after` is where the next page goes on, None at the end.

    `complete` is False where the page ended because its time was up.
    """

    photos: list[NightPhoto]
    next_after: str | None
    complete: bool = True


_OUTCOMES: dict[str | None, str] = {
    None: "",
    "undecided": " and outcome is null",
    **{name: f" and outcome = '{name}'" for name in ("judged", "quarantined", "already_judged")},
}
_CONDITIONS = {
    "decision": " and ar.decision = :decision",
    "reason": " and (:reason = any(ar.reasons) or q.reason = :reason)",
}
_CHUNK = """
    select object_key from moderation.audit_image
    where run_id = :run_id and object_key > :after{outcome}
    order by object_key limit :chunk
"""
_PHOTOS = """
    select ar.object_key, ar.etag, ar.content_sha256, ar.outcome, ar.decision,
        coalesce(ar.reasons, '{}') as reasons, ar.violation_score, ar.model_hash,
        q.reason as quarantine_reason, q.detail as quarantine_detail
    from moderation.audit_result ar
    left join moderation.quarantine q on ar.outcome = 'quarantined'
        and q.object_key = ar.object_key and q.etag = ar.etag
    where ar.run_id = :run_id and ar.object_key = any(:keys)
"""


def photos_of(
    connection: Connection,
    wanted: Wanted,
    *,
    after: str = "",
    limit: int = PAGE,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Found:
    """Up to `limit` photos whose keys come after `after`; none for an unknown run."""
    until = time.monotonic() + patience_seconds
    found: list[NightPhoto] = []
    chunk = FIRST_CHUNK
    while True:
        keys = _keys(connection, wanted, after, chunk=chunk)
        # One more than is asked for, to know whether a page follows.
        found += _photos(connection, wanted, keys, limit=limit + 1 - len(found))
        if len(found) > limit:
            return Found(found[:limit], found[limit - 1].object_key)
        if len(keys) < chunk:
            return Found(found, None)
        after, chunk = keys[-1], min(chunk * 4, CHUNK)
        if time.monotonic() > until:
            return Found(found, after, complete=False)


def _keys(connection: Connection, wanted: Wanted, after: str, *, chunk: int) -> list[str]:
    query = text(_CHUNK.format(outcome=_OUTCOMES[wanted.outcome]))
    values = {"run_id": wanted.run_id, "after": after, "chunk": chunk}
    return list(connection.execute(query, values).scalars())


def _photos(
    connection: Connection, wanted: Wanted, keys: list[str], *, limit: int
) -> list[NightPhoto]:
    query = _PHOTOS
    values: dict[str, object] = {"run_id": wanted.run_id, "keys": keys, "limit": limit}
    for name, condition in _CONDITIONS.items():
        value = getattr(wanted, name)
        if value is not None:
            query += condition
            values[name] = value
    query += " order by ar.object_key limit :limit"
    rows = connection.execute(text(query), values).mappings()
    return [NightPhoto(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]
