"""Appeals against decisions (rows of `moderation.appeal`), and the tasks that they open again."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, and_, func, insert, select, true

from ml.storage.review_tasks import NOT_GOLDEN, VERDICT, add_selected_tasks
from ml.storage.schema import appeal, image, review_task, verdict


@dataclass(frozen=True)
class Appeal:
    """An objection to the decisions on a task up to `superseded_label_id` (0: there are none)."""

    task_id: int
    reason: str
    appealed_by: str
    superseded_label_id: int


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
    newest_first = (
        select(image.c.object_key, image.c.etag, image.c.content_sha256)
        .where(image.c.object_key == object_key, image.c.content_sha256.is_not(None))
        .order_by(image.c.uploaded_at.desc())
    )
    newest = newest_first.limit(1).subquery()
    names = ("content_sha256", "model_hash", "policy_version", "reasons", "violation_score")
    # A photo that was passed or blocked without a review gets its task now.
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
