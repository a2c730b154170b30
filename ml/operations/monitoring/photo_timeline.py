"""Full timeline of one object key, for support requests."""

from dataclasses import dataclass

from sqlalchemy import Connection, Table

from ml.storage.read.model_listing import VerdictOrigin, verdict_origin
from ml.storage.read.photo_timeline import (
    MAX_ROWS,
    CommerceRow,
    LabelEntry,
    Quarantined,
    Task,
    UploadedContent,
    holds_task,
    list_commerce_rows,
    list_contents,
    list_labels,
    list_quarantined,
    list_tasks,
)

# Of the other kinds a task only works while nobody knows of it: they are hidden until decided.
_VISIBLE_KINDS = ("verdict", "second_review")


@dataclass(frozen=True)
class PhotoTimeline:
    """One object key, latest first in each part.

    `withheld`: the person who asks is deciding on the photo at the moment. The model's verdicts
    and the decisions of others are then empty, for their decision must be their own.
    """

    object_key: str
    contents: list[UploadedContent]
    verdicts: list[VerdictOrigin]
    quarantined: list[Quarantined]
    tasks: list[Task]
    labels: list[LabelEntry]
    commerce_rows: list[CommerceRow]
    withheld: bool


def photo_timeline(
    connection: Connection, object_key: str, *, viewer: str, commerce: Table
) -> PhotoTimeline:
    """Everything under a key; all parts are empty where it is unknown."""
    contents = list_contents(connection, object_key)
    hashes = [content.content_sha256 for content in contents if content.content_sha256]
    quarantined = list_quarantined(connection, object_key)
    if holds_task(connection, viewer, object_key=object_key, contents=hashes):
        return PhotoTimeline(object_key, contents, [], quarantined, [], [], [], withheld=True)
    return PhotoTimeline(
        object_key=object_key,
        contents=contents,
        verdicts=verdict_origin(connection, object_key)[::-1][:MAX_ROWS],
        quarantined=quarantined,
        tasks=list_tasks(connection, object_key, visible_kinds=_VISIBLE_KINDS),
        labels=list_labels(connection, hashes),
        commerce_rows=list_commerce_rows(connection, object_key, commerce=commerce),
        withheld=False,
    )
