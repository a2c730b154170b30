"""Photos of a nightly run by filter: a page at a time, in key order.

A rare verdict among hundreds of thousands has no index of its own. So the keys are walked in
chunks; a page that hits its time limit returns what it found and a cursor, instead of making the
reader wait for many seconds.
"""

import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, any_, func, literal, or_, select, true

from ml.storage.rows import load_rows
from ml.storage.schema import TEXTS, audit_image, audit_result, quarantine

PAGE = 60
# Keys per query: more each time, since frequent photos are found in the first chunk.
FIRST_CHUNK, MAX_CHUNK = 250, 5_000
TIMEOUT_SECONDS = 1.5
Outcome = Literal["judged", "quarantined", "already_judged", "undecided"]
Decision = Literal["pass", "review", "block"]


@dataclass(frozen=True)
class PhotoFilter:
    """Which photos of a run; None does not filter.

    `reason` is one of a verdict, or that of a quarantine.
    """

    run_id: str
    outcome: Outcome | None = None
    decision: Decision | None = None
    reason: str | None = None


@dataclass(frozen=True)
class RunPhoto:
    """The result of a run for one photo; `content_sha256` is None if its bytes were never read."""

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
class PhotoPage:
    """Photos in key order; `next_after` is the cursor of the next page, None at the end.

    `complete` is False where the page hit its time limit before it was full.
    """

    photos: list[RunPhoto]
    next_after: str | None
    complete: bool = True


_result = audit_result.c
_quarantined = (
    select(quarantine.c.reason, quarantine.c.detail)
    .where(
        _result.outcome == "quarantined",
        quarantine.c.object_key == _result.object_key,
        quarantine.c.etag == _result.etag,
    )
    .offset(0)
    .lateral("quarantined")
)
_RUN_PHOTOS = (
    select(
        *_result["object_key", "etag", "content_sha256", "outcome", "decision"],
        func.coalesce(_result.reasons, literal((), TEXTS)).label("reasons"),
        *_result["violation_score", "model_hash"],
        _quarantined.c.reason.label("quarantine_reason"),
        _quarantined.c.detail.label("quarantine_detail"),
    )
    .select_from(audit_result.outerjoin(_quarantined, true()))
    .order_by(_result.object_key)
)


def list_run_photos(
    connection: Connection,
    photo_filter: PhotoFilter,
    *,
    after: str = "",
    limit: int = PAGE,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> PhotoPage:
    """Up to `limit` photos whose keys come after `after`; none for an unknown run."""
    deadline = time.monotonic() + timeout_seconds
    photos: list[RunPhoto] = []
    chunk = FIRST_CHUNK
    while True:
        keys = _next_keys(connection, photo_filter, after, limit=chunk)
        # One more than a page holds, to know whether another page follows.
        photos += _photos(connection, photo_filter, keys, limit=limit + 1 - len(photos))
        if len(photos) > limit:
            return PhotoPage(photos[:limit], next_after=photos[limit - 1].object_key)
        if len(keys) < chunk:
            return PhotoPage(photos, next_after=None)
        after, chunk = keys[-1], min(chunk * 4, MAX_CHUNK)
        if time.monotonic() > deadline:
            return PhotoPage(photos, next_after=after, complete=False)


def _next_keys(
    connection: Connection, photo_filter: PhotoFilter, after: str, *, limit: int
) -> list[str]:
    """The next keys of the run, by the only filter that needs no other table."""
    image = audit_image.c
    query = select(image.object_key).where(
        image.run_id == photo_filter.run_id, image.object_key > after
    )
    if photo_filter.outcome == "undecided":
        query = query.where(image.outcome.is_(None))
    elif photo_filter.outcome is not None:
        query = query.where(image.outcome == photo_filter.outcome)
    return list(connection.execute(query.order_by(image.object_key).limit(limit)).scalars())


def _photos(
    connection: Connection, photo_filter: PhotoFilter, keys: list[str], *, limit: int
) -> list[RunPhoto]:
    """Those of the keys that pass the other filters, with all that the page shows."""
    query = _RUN_PHOTOS.where(
        _result.run_id == photo_filter.run_id, _result.object_key == any_(literal(keys, TEXTS))
    )
    if photo_filter.decision is not None:
        query = query.where(_result.decision == photo_filter.decision)
    if photo_filter.reason is not None:
        reason = literal(photo_filter.reason)
        query = query.where(or_(reason == any_(_result.reasons), reason == _quarantined.c.reason))
    return load_rows(connection, query.limit(limit), RunPhoto)
