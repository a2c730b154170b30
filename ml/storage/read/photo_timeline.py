"""What the database knows about one object key, table by table, the latest rows first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, FromClause, Table, literal_column, or_, select

from ml.storage.commerce import rows_of_keys
from ml.storage.review_tasks import NOT_GOLDEN
from ml.storage.rows import columns_of, load_rows
from ml.storage.schema import decision_undo, human_label, image, quarantine, review_task

T = TypeVar("T")
MAX_ROWS = 200  # of a key with a longer history, the latest part is shown


@dataclass(frozen=True)
class UploadedContent:
    """One content that was under the key; `content_sha256` None where it was never read."""

    etag: str
    content_sha256: str | None
    size_bytes: int
    width: int | None
    height: int | None
    uploaded_at: datetime
    state: str


@dataclass(frozen=True)
class Quarantined:
    """Why a content could not be scored; `released_by` is the later run that could."""

    etag: str
    reason: str
    detail: str
    run_id: str
    quarantined_at: datetime
    released_by: str | None


@dataclass(frozen=True)
class Task:
    """A review task of the key."""

    task_id: int
    state: str
    kind: str
    reasons: tuple[str, ...]
    run_id: str
    opened_at: datetime


@dataclass(frozen=True)
class LabelEntry:
    """A reviewer's label on one of the contents; `undone_at` where they undid it."""

    label: str
    category: str | None
    reviewer: str
    decided_at: datetime
    route: str
    note: str
    undone_at: datetime | None


@dataclass(frozen=True)
class CommerceRow:
    """A row of the commerce table for the key."""

    status: str | None
    moderated_at: datetime | None
    uploaded_at: datetime | None


def list_contents(connection: Connection, object_key: str) -> list[UploadedContent]:
    """The contents that were uploaded under a key."""
    of_key = image.c.object_key == object_key
    return _load_latest(connection, image, UploadedContent, of_key, by=image.c.uploaded_at)


def holds_task(
    connection: Connection, reviewer: str, *, object_key: str, contents: Sequence[str]
) -> bool:
    """Whether a reviewer has claimed a task on the key or one of the contents, of any kind."""
    task = review_task.c
    query = select(task.task_id).where(
        or_(task.object_key == object_key, task.content_sha256.in_(contents)),
        task.state == literal_column("'claimed'"),  # a literal, for the partial index
        task.claimed_by == reviewer,
    )
    return connection.execute(query.limit(1)).first() is not None


def list_quarantined(connection: Connection, object_key: str) -> list[Quarantined]:
    """The quarantine rows of a key."""
    of_key = quarantine.c.object_key == object_key
    by = quarantine.c.quarantined_at
    return _load_latest(connection, quarantine, Quarantined, of_key, by=by)


def list_tasks(
    connection: Connection,
    object_key: str,
    *,
    contents: Sequence[str],
    visible_kinds: Sequence[str],
) -> list[Task]:
    """The review tasks of a key and its contents: decided ones, or of a kind that may be seen.

    Tasks with a route, such as spot checks, are left out until they are decided.
    """
    task = review_task.c
    visible = task.kind.in_(visible_kinds) & task.route.is_(None)
    of_key = task.object_key == object_key
    # By the index on objects, which has no golden tasks, and by the one on contents.
    of_photo = or_(of_key & NOT_GOLDEN, of_key & task.content_sha256.in_(contents))
    shown = of_photo & or_(visible, task.state == "decided")
    return _load_latest(connection, review_task, Task, shown, by=task.task_id)


def list_labels(connection: Connection, contents: Sequence[str]) -> list[LabelEntry]:
    """All labels on the contents, undone ones included."""
    with_undo = (
        select(human_label, decision_undo.c.undone_at)
        .select_from(human_label.outerjoin(decision_undo))
        .subquery()
    )
    of_contents = with_undo.c.content_sha256.in_(contents)
    return _load_latest(connection, with_undo, LabelEntry, of_contents, by=with_undo.c.label_id)


def list_commerce_rows(
    connection: Connection, object_key: str, *, commerce: Table
) -> list[CommerceRow]:
    """The rows of the commerce table that name a key."""
    row = rows_of_keys(commerce, [object_key]).c
    query = select(row.moderation_status, row.moderated_at, row.uploaded_at)
    newest_first = query.order_by(row.uploaded_at.desc()).limit(MAX_ROWS)
    return [CommerceRow(*values) for values in connection.execute(newest_first)]


def _load_latest(
    connection: Connection,
    source: FromClause,
    row_type: type[T],
    condition: ColumnElement[bool],
    *,
    by: ColumnElement[Any],
) -> list[T]:
    # The planner must not walk a whole index of `by` in search of the few rows.
    rows = select(*columns_of(source, row_type), by.label("rank")).where(condition).offset(0)
    found = rows.subquery()
    query = select(*columns_of(found, row_type)).order_by(found.c.rank.desc()).limit(MAX_ROWS)
    return load_rows(connection, query, row_type)
