"""Choose the shop's own photos for a distillation: a bounded sample, fixed as a list.

The sample is a range of the content hashes, which are as good as random: the ledger is read in
their order from a drawn place on, however many photos the shop has. Left out are copies, near
duplicates, photos of the golden set and those that look like them (every candidate is measured on
these), photos whose archived copy retention deleted, and objects over the limit of bytes.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import structlog
from sqlalchemy import Connection

from ml.core.errors import TrainingError
from ml.core.manifest import ListedPhoto, PhotoList
from ml.core.settings import Settings
from ml.core.window import Window
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.photo_archive import ArchivedPhoto, expired
from ml.storage.photo_sample import LedgerPhoto, load_golden_photos, load_photos_after
from ml.vision.images.duplicate_groups import near_duplicate_groups

log = structlog.get_logger()

PAGE = 1000  # objects a statement
MAX_OBJECTS_PER_PHOTO = 50  # that are read for one of the list, before it stays shorter


def list_photos(
    window: Window, *, max_photos: int, settings: Settings, connections: Connections
) -> PhotoList:
    """Sample at most `max_photos` of the photos that nightly runs have judged.

    `window` are their upload times. The same ledger, window and number give the same contents.
    """
    engine = connections.engine
    found: dict[str, LedgerPhoto] = {}
    for page in _pages(window, max_photos, connections):
        usable = _usable(page, window, settings)
        forgotten = in_transaction(engine, lambda c, of=usable: expired(c, sorted(of)))  # type: ignore[misc]  # mypy cannot type a lambda's default
        found |= {content: photo for content, photo in usable.items() if content not in forgotten}
        if len(found) >= max_photos:
            break
    sampled = list(found.values())[:max_photos]
    distinct = _drop_near_duplicates(sampled, in_transaction(engine, load_golden_photos))
    log.info("photos of the shop listed", photos=len(distinct), sampled=len(sampled))
    return PhotoList(
        uploaded_from=window.start.astimezone(UTC),
        uploaded_before=window.end.astimezone(UTC),
        photos=tuple(
            ListedPhoto(content_sha256=photo.content_sha256, object_key=photo.object_key)
            for photo in sorted(distinct, key=lambda photo: photo.content_sha256)
        ),
    )


def read_list(path: Path) -> PhotoList:
    """Read a list from a file; raises TrainingError."""
    try:
        return PhotoList.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:  # ValidationError is one
        raise TrainingError(
            f"{path} is no list of photos: {error}; make one with `python -m ml pretrain "
            "list-photos`"
        ) from error


def _pages(
    window: Window, max_photos: int, connections: Connections
) -> Iterator[list[LedgerPhoto]]:
    """Pages of the ledger from the drawn place to the end, then from the beginning up to it."""
    draw = f"distillation {window.start.astimezone(UTC)} {window.end.astimezone(UTC)}"
    place = hashlib.sha256(draw.encode()).hexdigest()
    left = PAGE + MAX_OBJECTS_PER_PHOTO * max_photos
    for after, until in ((place, None), ("", place)):
        while left > 0:
            page = in_transaction(connections.engine, _load_page, after, until)
            yield page
            left -= len(page)
            if len(page) < PAGE:
                break
            after = page[-1].content_sha256  # noqa: PLW2901 - the place of the next page
    if left <= 0:
        log.warning("few of the ledger's photos can be used: the list may be short")


def _load_page(connection: Connection, after: str, until: str | None) -> list[LedgerPhoto]:
    page = load_photos_after(connection, after, PAGE)
    return [photo for photo in page if until is None or photo.content_sha256 <= until]


def _usable(page: list[LedgerPhoto], window: Window, settings: Settings) -> dict[str, LedgerPhoto]:
    """The photos of a page that may be used, by content: the latest upload of each."""
    usable = [
        photo
        for photo in page
        if photo.state == "judged"
        and photo.pdq is not None
        and window.start <= photo.uploaded_at < window.end
        and photo.size_bytes <= settings.max_image_bytes
    ]
    return {photo.content_sha256: photo for photo in sorted(usable, key=_upload_order)}


def _upload_order(photo: LedgerPhoto) -> tuple[object, ...]:
    return photo.uploaded_at, photo.object_key


def _drop_near_duplicates(
    photos: list[LedgerPhoto], golden: list[ArchivedPhoto]
) -> list[LedgerPhoto]:
    """The first of each group of near duplicates; none of a group with a golden photo."""
    known: list[ArchivedPhoto | LedgerPhoto] = [*golden, *photos]
    groups = near_duplicate_groups(
        [photo.pdq or "" for photo in known], [photo.pdq_quality or 0 for photo in known]
    )
    contents = {photo.content_sha256 for photo in golden}
    used = set(groups[: len(golden)])
    distinct = []
    for photo, group in zip(photos, groups[len(golden) :], strict=True):
        if group not in used and photo.content_sha256 not in contents:
            used.add(group)
            distinct.append(photo)
    return distinct
