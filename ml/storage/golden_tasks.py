"""Golden tasks: photos of the golden set that become a task of one reviewer; disputed labels."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    all_,
    func,
    insert,
    literal_column,
    select,
)

from ml.storage.appeals import Appeal, add_appeal
from ml.storage.decisions import load_last_label_id
from ml.storage.photo_archive import latest_objects
from ml.storage.retrain_runs import RetrainRun
from ml.storage.review_queue import CLAIMED_COLUMNS, ClaimedTask
from ml.storage.review_tasks import GOLDEN, add_tasks, lock_task_of_object, reopen_tasks
from ml.storage.rows import columns_of, is_found, load_row, load_rows
from ml.storage.schema import (
    TEXTS,
    archived_photo,
    golden_photo,
    golden_set,
    review_task,
    verdict,
)

DISPUTED = "disputed"  # the reason of a task that decides a golden label again

_photo = golden_photo.c


@dataclass(frozen=True)
class GoldenPool:
    """The archived golden photos of the newest golden set, and of these classes.

    Those that the reviewer holds now are left out.
    """

    reviewer: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class GoldenCandidate:
    """A photo of a pool, with its golden label; `has_verdict`: it was scored."""

    content_sha256: str
    label: str
    has_verdict: bool


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


def load_candidates(connection: Connection, pool: GoldenPool) -> list[GoldenCandidate]:
    """The photos of a pool, by content hash."""
    query = _select_photos(pool).order_by(_photo.content_sha256)
    return load_rows(connection, query, GoldenCandidate)


def load_golden_photo(connection: Connection, content_sha256: str) -> GoldenPhoto:
    """An archived photo with what a task of it shows."""
    object_key, etag = latest_objects(connection, [content_sha256])[content_sha256]
    verdicts = select(*columns_of(verdict, ShownVerdict)).where(
        verdict.c.content_sha256 == content_sha256
    )
    latest = verdicts.order_by(verdict.c.judged_at.desc()).limit(1)
    shown = load_row(connection, latest, ShownVerdict)
    return GoldenPhoto(object_key, etag, content_sha256, shown)


def _select_photos(pool: GoldenPool) -> Select[Any]:
    newest_set = (
        select(golden_set.c.golden_hash)
        .where(golden_set.c.photos > 0)
        .order_by(golden_set.c.created_at.desc(), golden_set.c.golden_hash)
        .limit(1)
        .scalar_subquery()
    )
    claimed = select(review_task.c.content_sha256).where(
        review_task.c.state == literal_column("'claimed'"),  # a literal, for the partial index
        review_task.c.claimed_by == pool.reviewer,
    )
    scored = is_found(verdict, verdict.c.content_sha256 == _photo.content_sha256)
    is_archived = is_found(archived_photo, archived_photo.c.content_sha256 == _photo.content_sha256)
    return select(_photo.content_sha256, _photo.label, scored.label("has_verdict")).where(
        _photo.golden_hash == newest_set,
        _photo.label.in_(pool.classes),
        _is_none_of(claimed),
        is_archived,
    )


def _is_none_of(contents: Select[str]) -> ColumnElement[bool]:
    """Whether a photo is none of these contents, which are read once, into an array."""
    return _photo.content_sha256 != all_(func.array(contents.scalar_subquery(), type_=TEXTS))


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
    row = insert(review_task).values(
        object_key=photo.object_key,
        etag=photo.etag,
        content_sha256=photo.content_sha256,
        **asdict(appearance),
        kind=GOLDEN,
        state="claimed",
        claimed_by=reviewer,
        claimed_until=func.statement_timestamp() + timedelta(seconds=lease_seconds),
        opened_at=opened_at,
        priority=priority,
    )
    (task,) = load_rows(connection, row.returning(*CLAIMED_COLUMNS), ClaimedTask)
    return task


def open_disputed_review(
    connection: Connection, run: RetrainRun, content_sha256: str, *, reviewers: list[str]
) -> None:
    """Open a task that decides a golden label again, or reopen it; an open one stays.

    It is a second review that shows neither scores nor labels. `reviewers` get it only when no
    other task is left. The run must have a champion; an imported photo needs no verdict.
    """
    photo = load_golden_photo(connection, content_sha256)
    existing = lock_task_of_object(connection, photo.object_key, photo.etag, kind="second_review")
    if existing is not None and existing.state != "decided":
        return
    if existing is not None:
        # Without it, an earlier decision would answer again once the new one is undone.
        superseded = load_last_label_id(connection, existing)
        add_appeal(connection, Appeal(existing.task_id, DISPUTED, "retrain_model", superseded))
        changes = {"reasons": [DISPUTED], "skipped_by": reviewers}
        reopen_tasks(connection, [existing.task_id], restart_wait=True, **changes)
        return
    score = photo.verdict.violation_score if photo.verdict else 0.0  # not shown
    task = {
        "object_key": photo.object_key,
        "etag": photo.etag,
        "content_sha256": content_sha256,
        "model_hash": run.champion_hash,
        "policy_version": run.policy.version,
        "reasons": [DISPUTED],
        "violation_score": score,
        "priority": score,
        "run_id": run.run_id,
        "kind": "second_review",
        "route": "second_review",
        "skipped_by": reviewers,
    }
    add_tasks(connection, [task])
