"""PDQ hashes and labels of decided photos, to show those that look like the one under review."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from ml.storage.rows import columns_of, load_rows, rows_of
from ml.storage.schema import active_label

_HASHES = text(
    """
    select h.label_id, h.content_sha256, coalesce(p.pdq, i.pdq) as pdq,
        coalesce(p.pdq_quality, i.pdq_quality) as pdq_quality
    from (
        select label_id, content_sha256 from moderation.human_label
        where label_id > :after order by label_id desc limit :newest
    ) h
    left join lateral (
        select pdq, pdq_quality from moderation.archived_photo
        where content_sha256 = h.content_sha256 offset 0
    ) p on true
    left join lateral (
        select max(pdq) as pdq, max(pdq_quality) as pdq_quality from moderation.image
        where content_sha256 = h.content_sha256 and p.pdq is null
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
    active = rows_of(
        active_label, contents, lambda content: active_label.c.content_sha256 == content
    )
    query = (
        select(*columns_of(active, ContentLabel))
        .ext(distinct_on(active.c.content_sha256))
        .order_by(active.c.content_sha256, active.c.label_id.desc())
    )
    return load_rows(connection, query, ContentLabel)
