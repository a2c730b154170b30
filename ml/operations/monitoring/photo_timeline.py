"""Full timeline of one object key, for support requests."""

from dataclasses import dataclass

from sqlalchemy import Connection, Table

from ml.storage.read import photo_timeline as stored
from ml.storage.read.model_listing import VerdictOrigin, verdict_origin

# A task of another kind must stay unknown until it is decided.
_VISIBLE_KINDS = ("verdict", "second_review")


@dataclass(frozen=True)
class PhotoTimeline:
    """One object key, latest first in each part.

    `withheld`: the person who asks is deciding on the photo at the moment. The model's verdicts
    and the decisions of others are then empty, for their decision must be their own.
    """

    object_key: str
    contents: list[stored.UploadedContent]
    verdicts: list[VerdictOrigin]
    quarantined: list[stored.Quarantined]
    tasks: list[stored.Task]
    labels: list[stored.LabelEntry]
    commerce_rows: list[stored.CommerceRow]
    withheld: bool


def photo_timeline(
    connection: Connection, object_key: str, *, viewer: str, commerce: Table
) -> PhotoTimeline:
    """Everything under a key; all parts are empty where it is unknown."""
    contents = stored.list_contents(connection, object_key)
    hashes = [content.content_sha256 for content in contents if content.content_sha256]
    quarantined = stored.list_quarantined(connection, object_key)
    if stored.holds_task(connection, viewer, object_key=object_key, contents=hashes):
        return PhotoTimeline(object_key, contents, [], quarantined, [], [], [], withheld=True)
    return PhotoTimeline(
        object_key=object_key,
        contents=contents,
        verdicts=verdict_origin(connection, object_key)[::-1][: stored.MAX_ROWS],
        quarantined=quarantined,
        tasks=stored.list_tasks(
            connection, object_key, contents=hashes, visible_kinds=_VISIBLE_KINDS
        ),
        labels=stored.list_labels(connection, hashes),
        commerce_rows=stored.list_commerce_rows(connection, object_key, commerce=commerce),
        withheld=False,
    )
