"""Features of photos that reviewers decided on, by network, and their small pictures.

`moderation.photo_feature` and `moderation.photo_picture`; photos of the blocklist are among them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, delete, select, text

from ml.storage.database import RETRY_SECONDS, in_transaction
from ml.storage.rows import insert_new, load_dict
from ml.storage.schema import archived_photo, photo_feature, photo_picture

Features = npt.NDArray[np.float16]

# The newest decided photos; of an older one the network has learnt.
MAX_PHOTOS = 20_000
MAX_DELETED = 5_000  # of these at once; more than reviewers decide in a day
_KEPT = "30 days"  # features of another network, for a rollback


@dataclass(frozen=True)
class DecidedFeatures:
    """A decided photo with its features (F,), and its label; None of a photo of the blocklist."""

    content_sha256: str
    features: Features
    label: str | None


@dataclass(frozen=True)
class PhotoSummary:
    """What is remembered of a decided photo: features (F,), and a file of a small picture."""

    features: Features
    picture: bytes


# The newest labels are found by an index; `offset 0` and `count(*)` let each content be looked up,
# whatever the statistics say.
_NEWEST = """
    newest as (
        select content_sha256, label_id from moderation.human_label
        where decided_at < :before order by decided_at desc, label_id desc limit :max_photos
    ),
    decided as (
        select distinct content_sha256 from newest n where (
            select count(*) from moderation.decision_undo u
            where u.label_id = n.label_id and u.undone_at < :before
        ) = 0
        union
        select content_sha256 from moderation.blocklist_photo where added_at < :before
    )
"""

_MISSING = text(
    f"""
    with {_NEWEST}
    select d.content_sha256 from decided d
    left join lateral (
        select true as known from moderation.photo_feature
        where source = :source and content_sha256 = d.content_sha256 offset 0
    ) f on true
    left join lateral (
        select true as known from moderation.photo_picture
        where content_sha256 = d.content_sha256 offset 0
    ) s on true
    where (f.known is null or (:pictures and s.known is null)) and (
        select count(*) from moderation.archived_photo p
        where p.content_sha256 = d.content_sha256 and p.deleted_at is not null
    ) = 0
    order by d.content_sha256
    """  # noqa: S608 - built from constants
)

# Votes of reviewers count as for retraining: each one's latest label, and the latest of a tie.
_DECIDED = text(
    f"""
    with {_NEWEST}
    select d.content_sha256, f.features, l.label from decided d
    cross join lateral (
        select features from moderation.photo_feature
        where source = :source and content_sha256 = d.content_sha256 offset 0
    ) f
    left join lateral (
        select label from (
            select distinct on (h.reviewer) h.label, h.decided_at, h.label_id
            from (
                select * from moderation.human_label
                where content_sha256 = d.content_sha256 and decided_at < :before offset 0
            ) h
            where (
                select count(*) from moderation.decision_undo u
                where u.label_id = h.label_id and u.undone_at < :before
            ) = 0
            order by h.reviewer, h.decided_at desc, h.label_id desc
        ) latest
        where label = any(cast(:classes as text[])) group by label
        order by count(*) desc, max(decided_at) desc, max(label_id) desc limit 1
    ) l on true
    where length(f.features) > 0 and (l.label is not null or (
        select count(*) from moderation.blocklist_photo b
        where b.content_sha256 = d.content_sha256
    ) > 0)
    order by d.content_sha256
    """  # noqa: S608 - built from constants
)


def list_missing(
    connection: Connection, source: str, *, before: datetime, pictures: bool
) -> list[str]:
    """Content hashes of the newest decided photos without features of this source.

    With `pictures` also of those without a picture. Deleted photos are left out, even where the
    shop still has their bytes.
    """
    values = {
        "source": source, "before": before, "max_photos": MAX_PHOTOS, "pictures": pictures
    }  # fmt: skip
    return list(connection.execute(_MISSING, values).scalars())


def load_decided(
    connection: Connection,
    source: str,
    *,
    before: datetime,
    classes: Collection[str],
) -> list[DecidedFeatures]:
    """The newest photos decided, and not undone, before a moment, sorted by content hash."""
    values = {
        "source": source, "before": before, "max_photos": MAX_PHOTOS,
        "classes": sorted(classes),
    }  # fmt: skip
    return [
        DecidedFeatures(content, np.frombuffer(features, np.float16), label)
        for content, features, label in connection.execute(_DECIDED, values)
    ]


def load_pictures(
    engine: Engine, contents: Collection[str], *, seconds: float = RETRY_SECONDS
) -> dict[str, bytes]:
    """The small pictures of photos, as files, by content hash; `seconds` as of `in_transaction`."""
    picture = photo_picture.c
    query = select(picture.content_sha256, picture.picture)
    query = query.where(picture.content_sha256.in_(contents))
    return in_transaction(engine, load_dict, query, seconds=seconds)


def write(
    connection: Connection, source: str, summaries: Mapping[str, PhotoSummary | None]
) -> None:
    """Write summaries by content hash; None of a photo that cannot be decoded: it is tried once.

    Those of a photo that was deleted meanwhile are left out.
    """
    photo = archived_photo.c
    known = select(photo.content_sha256, photo.deleted_at)
    # A purge of these photos has ended, or waits until this is written, and deletes it.
    locked = known.where(photo.content_sha256.in_(sorted(summaries))).with_for_update(read=True)
    deleted = {content for content, at in connection.execute(locked) if at is not None}
    kept = [(content, s) for content, s in sorted(summaries.items()) if content not in deleted]
    features = [
        {
            "source": source,
            "content_sha256": content,
            "features": b"" if found is None else found.features.tobytes(),
        }
        for content, found in kept
    ]
    pictures = [
        {"content_sha256": content, "picture": b"" if found is None else found.picture}
        for content, found in kept
    ]
    insert_new(connection, photo_feature, features)
    insert_new(connection, photo_picture, pictures)


def delete_of_photos(connection: Connection, contents: Collection[str]) -> None:
    """Delete what is known of photos whose bytes are deleted."""
    for table in (photo_feature, photo_picture):
        connection.execute(delete(table).where(table.c.content_sha256.in_(contents)))


# Sources are few: each is found by a step in the primary key, and its latest row by an index.
_DELETE_OLD_SOURCES = text(
    """
    with recursive sources as (
        (select source from moderation.photo_feature order by source limit 1)
        union all
        select (
            select f.source from moderation.photo_feature f
            where f.source > s.source order by f.source limit 1
        ) from sources s where s.source is not null
    )
    delete from moderation.photo_feature where source in (
        select s.source from sources s
        cross join lateral (
            select computed_at from moderation.photo_feature f
            where f.source = s.source order by computed_at desc limit 1
        ) latest
        where s.source <> :source and latest.computed_at < now() - cast(:kept as interval)
    )
    returning content_sha256
    """
)

_OLDEST = text(
    """
    select content_sha256 from moderation.photo_feature
    where source = :source order by computed_at limit :max_deleted
    """
)

_NEW = text(f"with {_NEWEST} select content_sha256 from decided")  # noqa: S608 - as above

# A picture outlives a network, but not the last features that would choose it.
_DELETE_PICTURES = text(
    """
    delete from moderation.photo_picture p
    where p.content_sha256 = any(cast(:contents as text[])) and (
        select count(*) from moderation.photo_feature f where f.content_sha256 = p.content_sha256
    ) = 0
    """
)

_DELETE = text(
    """
    delete from moderation.photo_feature
    where source = :source and content_sha256 = any(cast(:contents as text[]))
    """
)


def delete_unused(connection: Connection, source: str, *, before: datetime) -> int:
    """Delete features of networks that are long unused, and of decisions that are not new any more.

    Of the latter at most MAX_DELETED, the oldest ones. Returns how many. Once a run it may read the
    keys of the whole table, whose size it bounds.
    """
    old = {"source": source, "kept": _KEPT}
    of_sources = connection.execute(_DELETE_OLD_SOURCES, old).scalars().all()
    oldest = connection.execute(_OLDEST, {"source": source, "max_deleted": MAX_DELETED}).scalars()
    new = connection.execute(_NEW, {"before": before, "max_photos": MAX_PHOTOS}).scalars()
    forgotten = sorted(set(oldest) - set(new))
    connection.execute(_DELETE, {"source": source, "contents": forgotten})
    connection.execute(_DELETE_PICTURES, {"contents": sorted({*of_sources})})
    picture = photo_picture.c.content_sha256
    connection.execute(delete(photo_picture).where(picture.in_(forgotten)))
    return len(of_sources) + len(forgotten)
