"""The shop's status of a photo, as people's decisions have it."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, Table, select, update

from ml.policy.policy import Policy
from ml.review.standing import last_standing_of_object
from ml.settings import CommerceNames
from ml.storage.schema import image


def status_of(label: str, *, policy: Policy, names: CommerceNames) -> str:
    """A violation is hidden, all else is shown; a class that the policy dropped waits again."""
    if label not in policy.classes:
        return names.status_review
    return names.status_block if policy.classes[label].violation else names.status_pass


def set_status(
    connection: Connection, commerce: Table, task: RowMapping, *, status: str, at: datetime
) -> None:
    """Only while the object is the one that was judged: a re-upload is judged anew."""
    newer = select(image.c.etag).where(
        image.c.object_key == task["object_key"],
        image.c.uploaded_at
        > select(image.c.uploaded_at)
        .where(image.c.object_key == task["object_key"], image.c.etag == task["etag"])
        .scalar_subquery(),
    )
    connection.execute(
        update(commerce)
        .where(commerce.c.object_key == task["object_key"], ~newer.exists())
        .values(moderation_status=status, moderated_at=at)
    )


def restore_status(
    connection: Connection,
    task: RowMapping,
    *,
    undone_at: datetime,
    policy: Policy,
    commerce: Table,
    names: CommerceNames,
) -> None:
    """What the shop showed before the undone decision, which the rows name by their time.

    That is what the last decision that stands says, else what the night wrote. A row that says
    something else by now (another decision, the shop's own, a re-upload) stays.

    Args:
        connection: open, in a transaction in which the undo is written.
        task: the decided task.
        undone_at: `decided_at` of the label that was undone.
        policy: says what is a violation.
        commerce: the shop's table of photos.
        names: the shop's words.
    """
    status, at = _written(connection, task, names)
    decision = last_standing_of_object(connection, task)
    if decision is not None:
        status, at = status_of(decision.label, policy=policy, names=names), decision.decided_at
    connection.execute(
        update(commerce)
        .where(commerce.c.object_key == task["object_key"], commerce.c.moderated_at == undone_at)
        .values(moderation_status=status, moderated_at=at)
    )


def _written(
    connection: Connection, task: RowMapping, names: CommerceNames
) -> tuple[str, datetime | None]:
    """What the night wrote last; written again exactly so, the next night knows it as its own."""
    query = select(image.c.written_status, image.c.written_at).where(
        image.c.object_key == task["object_key"], image.c.etag == task["etag"]
    )
    found = connection.execute(query).first()
    if found is None or found.written_status is None:
        return names.status_review, None
    return found.written_status, found.written_at
