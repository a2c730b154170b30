"""Golden tasks: photos of the golden set that become a review task of one reviewer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Interval, Select, func, insert, literal, select, text

from ml.storage.review_queue import CLAIMED_COLUMNS, ClaimedTask
from ml.storage.review_tasks import GOLDEN
from ml.storage.schema import (
    archived_photo,
    golden_answer,
    golden_photo,
    golden_set,
    human_label,
    review_task,
    verdict,
)

_photo = golden_photo.c
_answer = golden_answer.c


@dataclass(frozen=True)
class GoldenPool:
    """The golden photos that a reviewer may be asked, of the newest golden set and these classes.

    They are archived, the reviewer neither answered nor labelled them within `repeat_after`, and
    does not hold them now.
    """

    reviewer: str
    classes: tuple[str, ...]
    repeat_after: timedelta


@dataclass(frozen=True)
class GoldenStratum:
    """The photos of a pool with one label, either with or without a verdict."""

    label: str
    has_verdict: bool
    photos: int


@dataclass(frozen=True)
class ShownVerdict:
    """What a golden task shows of a verdict on its photo."""

    model_hash: str
    policy_version: str
    reasons: tuple[str, ...]
    violation_score: float
    run_id: str


@dataclass(frozen=True)
class GoldenPhoto:
    """A golden photo under the newest object with its content; `verdict` None: never scored."""

    object_key: str
    etag: str
    content_sha256: str
    verdict: ShownVerdict | None


def lock_reviewer(connection: Connection, reviewer: str) -> None:
    """Let only one transaction at a time choose golden photos for a reviewer.

    Two open tabs must not be given the same photo.
    """
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"golden {reviewer}", 0))
    connection.execute(select(lock))


def load_strata(connection: Connection, pool: GoldenPool) -> list[GoldenStratum]:
    """The strata of a pool, with how many photos each has, in a fixed order."""
    photos = _select_photos(pool).subquery()
    label, has_verdict = photos.c.label, photos.c.has_verdict
    query = select(label, has_verdict, func.count()).group_by(label, has_verdict)
    rows = connection.execute(query.order_by(label, has_verdict))
    return [GoldenStratum(*row) for row in rows]


def load_golden_photo(
    connection: Connection, pool: GoldenPool, stratum: GoldenStratum, place: int
) -> GoldenPhoto | None:
    """The photo at a place (from 0) of a stratum, ordered by content hash."""
    photos = _select_photos(pool).subquery()
    query = (
        select(photos.c.content_sha256)
        .where(photos.c.label == stratum.label, photos.c.has_verdict == stratum.has_verdict)
        .order_by(photos.c.content_sha256)
        .offset(place)
        .limit(1)
    )
    content: str | None = connection.execute(query).scalar()
    return None if content is None else _load_photo(connection, content)


def _select_photos(pool: GoldenPool) -> Select[Any]:
    reviewer = pool.reviewer
    newest_set = (
        select(golden_set.c.golden_hash)
        .where(select(_photo.label).where(_photo.golden_hash == golden_set.c.golden_hash).exists())
        .order_by(golden_set.c.created_at.desc(), golden_set.c.golden_hash)
        .limit(1)
        .scalar_subquery()
    )
    since = func.now() - literal(pool.repeat_after, Interval)
    answered_tasks = select(_answer.task_id).where(
        _answer.content_sha256 == _photo.content_sha256,
        _answer.reviewer == reviewer,
        _answer.answered_at > since,
    )
    labelled = select(human_label.c.label_id).where(
        human_label.c.content_sha256 == _photo.content_sha256,
        human_label.c.reviewer == reviewer,
        human_label.c.decided_at > since,
    )
    claimed = select(review_task.c.task_id).where(
        review_task.c.content_sha256 == _photo.content_sha256,
        review_task.c.claimed_by == reviewer,
    )
    scored = select(verdict.c.run_id).where(verdict.c.content_sha256 == _photo.content_sha256)
    return (
        select(_photo.content_sha256, _photo.label, scored.exists().label("has_verdict"))
        .join(archived_photo, archived_photo.c.content_sha256 == _photo.content_sha256)
        .where(
            _photo.golden_hash == newest_set,
            _photo.label.in_(pool.classes),
            ~answered_tasks.exists(),
            ~labelled.exists(),
            ~claimed.exists(),
        )
    )


_LOAD_PHOTO = text(
    """
    select coalesce(object.object_key, photo.object_key) as object_key,
        coalesce(object.etag, '') as etag,
        scored.model_hash, scored.policy_version, scored.reasons, scored.violation_score,
        scored.run_id
    from moderation.archived_photo photo
    left join lateral (
        select object_key, etag from moderation.image
        where content_sha256 = photo.content_sha256
        order by uploaded_at desc, object_key, etag limit 1
    ) object on true
    left join lateral (
        select model_hash, policy_version, reasons, violation_score, run_id
        from moderation.verdict where content_sha256 = photo.content_sha256
        order by judged_at desc limit 1
    ) scored on true
    where photo.content_sha256 = :content_sha256
    """
)


def _load_photo(connection: Connection, content_sha256: str) -> GoldenPhoto:
    row = connection.execute(_LOAD_PHOTO, {"content_sha256": content_sha256}).one()
    latest = None
    if row.model_hash is not None:
        latest = ShownVerdict(
            row.model_hash, row.policy_version, tuple(row.reasons), row.violation_score, row.run_id
        )
    return GoldenPhoto(row.object_key, row.etag, content_sha256, latest)


def add_golden_task(
    connection: Connection,
    photo: GoldenPhoto,
    appearance: ShownVerdict,
    *,
    reviewer: str,
    lease_seconds: float,
    priority: float,
    opened_at: datetime,
) -> ClaimedTask:
    """A golden task of a photo, claimed by its reviewer, that looks as `appearance` says."""
    until = func.statement_timestamp() + timedelta(seconds=lease_seconds)
    row = insert(review_task).values(
        object_key=photo.object_key,
        etag=photo.etag,
        content_sha256=photo.content_sha256,
        model_hash=appearance.model_hash,
        policy_version=appearance.policy_version,
        reasons=list(appearance.reasons),
        violation_score=appearance.violation_score,
        run_id=appearance.run_id,
        kind=GOLDEN,
        state="claimed",
        claimed_by=reviewer,
        claimed_until=until,
        opened_at=opened_at,
        priority=priority,
    )
    task = connection.execute(row.returning(*CLAIMED_COLUMNS)).mappings().one()
    return ClaimedTask(**{**task, "reasons": tuple(task["reasons"])})
