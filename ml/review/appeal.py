"""An appeal: somebody objects to what became of a photo, and a person looks at it again.

The shop's status stays as it is until then.
"""

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from ml.errors import StorageError
from ml.review.activity import record, task_target
from ml.review.lease import lock_task
from ml.review.standing import APPEAL, last_label
from ml.storage.schema import appeal, human_label, review_task

# A photo that no person was asked about (passed or blocked at once) gets its task now.
_TASK_OF_NEWEST = text(
    """
    with newest as (
        select object_key, etag, content_sha256 from moderation.image
        where object_key = :object_key and content_sha256 is not null
        order by uploaded_at desc limit 1
    ),
    judged as (
        select n.object_key, n.etag, v.* from newest n
        join moderation.verdict v on v.content_sha256 = n.content_sha256
        order by v.judged_at desc limit 1
    )
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id
    )
    select object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        violation_score, run_id
    from judged
    on conflict (object_key, etag, kind) where kind <> 'golden' do nothing
    """
)
_ITS_TASK = text(
    """
    select t.task_id from moderation.review_task t
    join moderation.image i on i.object_key = t.object_key and i.etag = t.etag
    where t.object_key = :object_key and t.kind = 'verdict' and i.content_sha256 is not null
    order by i.uploaded_at desc limit 1
    """
)


def reopen_object(connection: Connection, object_key: str, *, reason: str, by: str) -> int:
    """Appeal against what became of a photo, by its newest content; returns the task.

    Raises:
        StorageError: the photo was never judged.
    """
    connection.execute(_TASK_OF_NEWEST, {"object_key": object_key})
    task_id: int | None = connection.execute(_ITS_TASK, {"object_key": object_key}).scalar()
    if task_id is None:
        raise StorageError(f"no verdict on {object_key!r}: there is nothing to appeal against yet")
    reopen(connection, task_id, reason=reason, by=by)
    return task_id


def reopen(connection: Connection, task_id: int, *, reason: str, by: str) -> None:
    """Appeal against the decision on a task: it waits again, preferably for another person.

    The same appeal again, while it is unanswered, is no change.

    Raises:
        StorageError: there is no such task.
    """
    task = lock_task(connection, task_id)
    after = last_label(connection, task)
    row = {"task_id": task_id, "reason": reason, "appealed_by": by, "after_label": after}
    same = select(appeal.c.appeal_id).where(*(appeal.c[name] == row[name] for name in row))
    if connection.execute(same).first() is not None:
        return
    connection.execute(insert(appeal).values(row))
    _ask_again(connection, task)
    record(connection, who=by, what="appeal", target=task_target(task_id), reason=reason)


def _ask_again(connection: Connection, task: RowMapping) -> None:
    reasons = [*task["reasons"], *([] if APPEAL in task["reasons"] else [APPEAL])]
    again = update(review_task).where(review_task.c.task_id == task["task_id"])
    connection.execute(again.values(reasons=reasons))
    if task["state"] == "decided":
        names = sorted({*task["skipped_by"], *_deciders(connection, task)})
        now = func.clock_timestamp()
        connection.execute(again.values(state="open", opened_at=now, skipped_by=names))


def _deciders(connection: Connection, task: RowMapping) -> set[str]:
    """Who decided it so far: they get it when nothing else is left, as what they skipped."""
    query = select(human_label.c.reviewer).where(
        human_label.c.content_sha256 == task["content_sha256"],
        human_label.c.task_id == task["task_id"],
    )
    return set(connection.execute(query).scalars())
