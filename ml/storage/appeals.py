"""Appeals against decisions (rows of `moderation.appeal`), and the tasks that they open again."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, select, text, true

from ml.storage.review_tasks import NOT_GOLDEN, VERDICT, add_selected_tasks
from ml.storage.rows import load_rows
from ml.storage.schema import appeal, image, review_task, verdict

# The task of the content's latest label, else its first review, else a second one. Never a blind or
# golden task: these are hidden. One with a route does not tell that it is open, unless it was
# appealed.
_TASKS_OF_CONTENTS = text(
    """
    select c.content_sha256, t.task_id, t.state,
        (select count(*) from moderation.verdict v where v.content_sha256 = c.content_sha256) > 0
        and (select count(*) from moderation.image i where i.content_sha256 = c.content_sha256) > 0
            as is_judged
    from unnest(cast(:contents as text[])) as c (content_sha256)
    left join lateral (
        select task_id from (
            select task_id, label_id from moderation.active_label a
            where a.content_sha256 = c.content_sha256 offset 0
        ) labels order by label_id desc limit 1
    ) l on true
    left join lateral (
        select task_id,
            case when route is null or 'appeal' = any(reasons) then state else 'decided' end
                as state
        from (
            select task_id, state, kind, route, reasons from moderation.review_task r
            where r.content_sha256 = c.content_sha256 offset 0
        ) tasks where kind in ('verdict', 'second_review')
        order by task_id is not distinct from l.task_id desc, kind desc, task_id desc limit 1
    ) t on true
    """
)


@dataclass(frozen=True)
class Appeal:
    """An objection to the decisions on a task up to `superseded_label_id` (0: there are none)."""

    task_id: int
    reason: str
    appealed_by: str
    superseded_label_id: int


@dataclass(frozen=True)
class TaskOfContent:
    """The task that an appeal against the decision on a content goes to; None where it has none.

    `state` is the task's, `decided` of a hidden one; `is_judged`: there is a verdict and an object
    to open a task from.
    """

    content_sha256: str
    task_id: int | None
    state: str | None
    is_judged: bool


def load_tasks_of_contents(
    connection: Connection, contents: Collection[str]
) -> dict[str, TaskOfContent]:
    """The task of each content, by content hash."""
    rows = load_rows(connection, _TASKS_OF_CONTENTS, TaskOfContent, contents=list(contents))
    return {row.content_sha256: row for row in rows}


def has_appeal(connection: Connection, appealed: Appeal) -> bool:
    """Whether this very appeal was written before."""
    same = (appeal.c[name] == value for name, value in asdict(appealed).items())
    return connection.execute(select(appeal.c.appeal_id).where(*same)).first() is not None


def add_appeal(connection: Connection, appealed: Appeal) -> None:
    """Append an appeal."""
    connection.execute(insert(appeal).values(asdict(appealed)))


def load_superseded_label_id(connection: Connection, task_id: int) -> int:
    """The last label that the task's appeals supersede: only later ones answer them; 0: none."""
    query = select(func.coalesce(func.max(appeal.c.superseded_label_id), 0))
    return int(connection.execute(query.where(appeal.c.task_id == task_id)).scalar_one())


def find_or_open_task(connection: Connection, object_key: str) -> int | None:
    """The task of an object's newest content that has one, opened now if the newest has none.

    None where there is no task and no verdict to open one from.
    """
    newest_first = _newest_first(image.c.object_key == object_key)
    _open_task(connection, newest_first)
    same_object = and_(
        review_task.c.object_key == image.c.object_key, review_task.c.etag == image.c.etag
    )
    of_object = newest_first.join(review_task, same_object).where(
        review_task.c.kind == VERDICT, NOT_GOLDEN
    )
    task_id: int | None = connection.execute(
        of_object.with_only_columns(review_task.c.task_id).limit(1)
    ).scalar()
    return task_id


def open_task_of_content(connection: Connection, content_sha256: str) -> None:
    """Open a task for the newest object with a content, if that has a verdict. Idempotent."""
    _open_task(connection, _newest_first(image.c.content_sha256 == content_sha256))


def _newest_first(of_photo: ColumnElement[bool]) -> Select[tuple[str, str, str | None]]:
    return (
        select(image.c.object_key, image.c.etag, image.c.content_sha256)
        .where(of_photo, image.c.content_sha256.is_not(None))
        .order_by(image.c.uploaded_at.desc())
    )


def _open_task(connection: Connection, newest_first: Select[tuple[str, str, str | None]]) -> None:
    """A photo that was passed or blocked without a review gets its task now."""
    newest = newest_first.limit(1).subquery()
    names = ("content_sha256", "model_hash", "policy_version", "reasons", "violation_score")
    of_content = verdict.c.content_sha256 == newest.c.content_sha256
    found = select(verdict).where(of_content).offset(0).lateral()
    scored = (
        select(
            newest.c.object_key,
            newest.c.etag,
            *found.c[names],
            found.c.violation_score.label("priority"),
            found.c.run_id,
        )
        .select_from(newest.join(found, true()))
        .order_by(found.c.judged_at.desc())
    )
    add_selected_tasks(connection, scored.limit(1))
