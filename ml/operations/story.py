"""All that is known about one object key, for the person who asks what happened to a photo."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, or_, select, text

from ml.model.history import Judged, judged_by
from ml.storage.schema import image, quarantine, review_task

_ROWS = 200  # a key with a longer history is shown by its latest part


@dataclass(frozen=True)
class Content:
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
    """Why a content could not be judged; `released_by` is the run that could after all."""

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
class Said:
    """What a person said about one of the contents; `undone_at` where they took it back."""

    label: str
    category: str | None
    reviewer: str
    decided_at: datetime
    route: str
    note: str
    undone_at: datetime | None


@dataclass(frozen=True)
class ShopRow:
    """The shop's own row of the key."""

    status: str | None
    moderated_at: datetime | None
    uploaded_at: datetime


@dataclass(frozen=True)
class Story:
    """One object key, latest first in each part.

    `withheld`: the person who asks is deciding on the photo just now. What others and the model
    said is then empty here, for the decision must be their own.
    """

    object_key: str
    contents: list[Content]
    judged: list[Judged]
    quarantined: list[Quarantined]
    tasks: list[Task]
    said: list[Said]
    shop: list[ShopRow]
    withheld: bool


_SAID = text(
    """
    select l.label, l.category, l.reviewer, l.decided_at, l.route, l.note, u.undone_at
    from moderation.human_label l
    left join moderation.decision_undo u on u.label_id = l.label_id
    where l.content_sha256 = any(:contents)
    order by l.label_id desc limit :rows
    """
)


def story(connection: Connection, object_key: str, *, asked_by: str, commerce: Table) -> Story:
    """Everything under a key; all parts are empty where it is unknown."""
    contents = _contents(connection, object_key)
    known = [content.content_sha256 for content in contents if content.content_sha256]
    withheld = _holds(connection, object_key, known, asked_by)
    return Story(
        object_key=object_key,
        contents=contents,
        judged=[] if withheld else judged_by(connection, object_key)[::-1][:_ROWS],
        quarantined=_quarantined(connection, object_key),
        tasks=[] if withheld else _tasks(connection, object_key),
        said=[] if withheld else _said(connection, known),
        shop=[] if withheld else _shop(connection, object_key, commerce),
        withheld=withheld,
    )


def _contents(connection: Connection, object_key: str) -> list[Content]:
    columns = [image.c[name] for name in Content.__dataclass_fields__]
    query = select(*columns).where(image.c.object_key == object_key)
    rows = connection.execute(query.order_by(image.c.uploaded_at.desc()).limit(_ROWS))
    return [Content(**row) for row in rows.mappings()]


def _holds(connection: Connection, object_key: str, known: list[str], asked_by: str) -> bool:
    """Whatever its kind, so that the answer tells nothing about the task."""
    task = review_task.c
    query = select(task.task_id).where(
        or_(task.object_key == object_key, task.content_sha256.in_(known)),
        task.state == "claimed",
        task.claimed_by == asked_by,
    )
    return connection.execute(query.limit(1)).first() is not None


def _quarantined(connection: Connection, object_key: str) -> list[Quarantined]:
    columns = [quarantine.c[name] for name in Quarantined.__dataclass_fields__]
    query = select(*columns).where(quarantine.c.object_key == object_key)
    rows = connection.execute(query.order_by(quarantine.c.quarantined_at.desc()).limit(_ROWS))
    return [Quarantined(**row) for row in rows.mappings()]


def _tasks(connection: Connection, object_key: str) -> list[Task]:
    """Without those that only work as long as nobody knows of them: hidden checks still to come."""
    task = review_task.c
    plain = task.kind.in_(("verdict", "second_review")) & task.route.is_(None)
    query = select(*(task[name] for name in Task.__dataclass_fields__)).where(
        task.object_key == object_key, or_(plain, task.state == "decided")
    )
    rows = connection.execute(query.order_by(task.task_id.desc()).limit(_ROWS))
    return [Task(**{**row, "reasons": tuple(row["reasons"])}) for row in rows.mappings()]


def _said(connection: Connection, known: list[str]) -> list[Said]:
    rows = connection.execute(_SAID, {"contents": known, "rows": _ROWS}).mappings()
    return [Said(**row) for row in rows]


def _shop(connection: Connection, object_key: str, commerce: Table) -> list[ShopRow]:
    columns = commerce.c
    query = (
        select(columns.moderation_status, columns.moderated_at, columns.uploaded_at)
        .where(columns.object_key == object_key)
        .order_by(columns.uploaded_at.desc())
    )
    return [ShopRow(*row) for row in connection.execute(query.limit(_ROWS))]
