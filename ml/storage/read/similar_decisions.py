"""PDQ hashes and labels of decided photos, to show those that look like the one under review."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from ml.storage.rows import columns_of, load_rows
from ml.storage.schema import active_label

_active = active_label.c

_HASHES = text(
    """
    select h.label_id, h.content_sha256, coalesce(p.pdq, i.pdq) as pdq,
        coalesce(p.pdq_quality, i.pdq_quality) as pdq_quality
    from (
        select label_id, content_sha256 from moderation.human_label
        where label_id > :after order by label_id desc limit :newest
    ) h
    left join moderation.archived_photo p on p.content_sha256 = h.content_sha256
    left join lateral (
        select pdq, pdq_quality from moderation.image
        where content_sha256 = h.content_sha256 and pdq is not null and p.pdq is null limit 1
    ) i on true
    order by h.label_id
    """
)


class LabelledHash(NamedTuple):
    """A label's content and its PDQ hash; None where the photo was never decoded."""

    label_id: int
    content_sha256: str
    pdq: str | None
    pdq_quality: int | None


@dataclass(frozen=True)
class ContentLabel:
    """The latest active label of a content."""

    content_sha256: str
    label: str
    decided_at: datetime


def load_labelled_hashes(
    connection: Connection, *, after_label_id: int, newest: int
) -> list[LabelledHash]:
    """The `newest` last labels of those after a label, undone ones included, oldest first."""
    return load_rows(connection, _HASHES, LabelledHash, after=after_label_id, newest=newest)


def load_active_labels(connection: Connection, contents: Collection[str]) -> list[ContentLabel]:
    """The latest active label of each content that has one."""
    query = (
        select(*columns_of(active_label, ContentLabel))
        .where(_active.content_sha256.in_(contents))
        .ext(distinct_on(_active.content_sha256))
        .order_by(_active.content_sha256, _active.label_id.desc())
    )
    return load_rows(connection, query, ContentLabel)
