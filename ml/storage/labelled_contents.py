"""What an export of labels reads, page by page: contents with labels, their decisions, photos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from ml.core.window import Window
from ml.storage.database import in_transaction
from ml.storage.rows import load_rows, rows_of
from ml.storage.schema import active_label, archived_photo

_label = active_label.c


@dataclass(frozen=True)
class Decision:
    """One active label, with what is known of its photo.

    `object_key` and the sides, in pixels, are None for a photo that was never archived; `purged`
    says that retention deleted its bytes.
    """

    content_sha256: str
    label: str
    category: str | None
    reviewer: str
    decided_at: datetime
    route: str
    sampling_rate: float
    label_id: int
    object_key: str | None
    width: int | None
    height: int | None
    purged: bool


def count_contents(connection: Connection, window: Window) -> int:
    """The number of contents with an active label of the window."""
    query = select(func.count(func.distinct(_label.content_sha256))).where(*_within(window))
    return int(connection.execute(query).scalar_one())


def read_decisions(
    engine: Engine, window: Window, *, page_size: int
) -> Iterator[dict[str, list[Decision]]]:
    """Yield pages of contents, in the order of their hashes, each with its decisions in time order.

    Each page is a transaction of its own, so that a slow consumer holds none open.
    """
    after = ""
    while True:
        page = in_transaction(engine, _load_page, window, after, page_size)
        if not page:
            return
        yield page
        after = max(page)


def _load_page(
    connection: Connection, window: Window, after: str, limit: int
) -> dict[str, list[Decision]]:
    contents = (
        select(_label.content_sha256)
        .where(_label.content_sha256 > after, *_within(window))
        .group_by(_label.content_sha256)
        .order_by(_label.content_sha256)
        .limit(limit)
    )
    hashes = list(connection.execute(contents).scalars())
    page: dict[str, list[Decision]] = {content: [] for content in hashes}
    for decision in _load_decisions(connection, hashes, window):
        page[decision.content_sha256].append(decision)
    return page


def _load_decisions(
    connection: Connection, hashes: Sequence[str], window: Window
) -> list[Decision]:
    found = rows_of(active_label, hashes, lambda content: _label.content_sha256 == content).c
    photo = archived_photo.c
    source = select(
        found.content_sha256,
        found.label,
        found.category,
        found.reviewer,
        found.decided_at,
        found.route,
        found.sampling_rate,
        found.label_id,
        photo.object_key,
        photo.width,
        photo.height,
        photo.deleted_at.is_not(None).label("purged"),
    ).outerjoin(archived_photo, photo.content_sha256 == found.content_sha256)
    query = source.where(found.decided_at >= window.start, found.decided_at < window.end).order_by(
        found.content_sha256, found.decided_at, found.label_id
    )
    return load_rows(connection, query, Decision)


def _within(window: Window) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _label.decided_at >= window.start, _label.decided_at < window.end
