"""Import a file of labels: photos into the photo archive, decisions into `human_label`.

The file is CSV, or the JSON that Label Studio exports.

Rows are streamed: a pool of threads fetches, decodes and archives their photos, and batches of rows
are written in one transaction each. Idempotent: interrupted and repeated, it ends the same.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from sqlalchemy import Connection

from ml.core.concurrency import batched, bounded_map
from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.settings import Settings
from ml.learning.labels.csv_rows import CsvRow, RowError, read_rows
from ml.learning.labels.label_studio import read_tasks
from ml.learning.labels.photo_archiver import FILE_KEY, PhotoArchiver, read_file, read_object
from ml.policy.schema import Policy
from ml.storage import photo_archive
from ml.storage.commerce import load_review_ids
from ml.storage.connections import Connections
from ml.storage.database import current_time, in_transaction
from ml.storage.labels import NewLabel, add_labels, latest_labels
from ml.storage.photo_archive import ArchivedPhoto
from ml.vision.images.fingerprint import content_hash
from ml.vision.images.open_photo import decode_limits

log = structlog.get_logger()

LINES_PER_COMMIT = 200

# The size of the engine's connection pool, less the connection that writes.
_MAX_QUERIES = 3


@dataclass
class ImportResult:
    """Rows by result; `known` labels existed before, or are earlier in the file."""

    imported: int = 0
    known: int = 0
    rejected: list[RowError] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """All rows."""
        return self.imported + self.known + len(self.rejected)


@dataclass(frozen=True)
class _ArchivedRow:
    """A row whose photo is archived."""

    row: CsvRow
    photo: ArchivedPhoto

    @property
    def pair(self) -> tuple[str, str]:
        """Content and reviewer: the key of a label."""
        return self.photo.content_sha256, self.row.reviewer


def import_labels(
    file: Path,
    *,
    settings: Settings,
    connections: Connections,
    policy: Policy,
    progress: Callable[[int], None] = lambda _: None,
) -> ImportResult:
    """Import every valid row of a file as in docs/labels.md; the result lists the others.

    `progress` is called after each commit with its number of rows.

    Raises:
        LabelImportError: the file as a whole cannot be read; nothing was imported.
        StorageError: bucket or database as a whole; what was committed stays, run it again.
    """
    now = in_transaction(connections.engine, current_time)
    read = read_tasks if file.suffix.lower() == ".json" else read_rows
    rows = read(file, classes=policy.classes, now=now)
    photos = _PhotoLoader(file.parent, settings, connections)
    result = ImportResult()
    ahead = 2 * settings.fetch_threads
    with (
        ThreadPoolExecutor(settings.fetch_threads, "import") as pool,
        closing(bounded_map(pool, photos.load, rows, ahead=ahead)) as loaded,
    ):
        for batch in batched(_reject_contradictions(loaded), LINES_PER_COMMIT):
            _commit_batch(batch, result, connections)
            progress(len(batch))
    log.info("labels", imported=result.imported, known=result.known, rejected=len(result.rejected))
    return result


class _PhotoLoader:
    """Finds and archives the photo of a row; shared by threads."""

    def __init__(self, folder: Path, settings: Settings, connections: Connections) -> None:
        self._folder = folder
        self._connections = connections
        self._archiver = PhotoArchiver(
            connections.models, decode_limits(settings), decoders=settings.decode_workers
        )
        self._queries = threading.Semaphore(_MAX_QUERIES)

    def load(self, row: CsvRow | RowError) -> _ArchivedRow | RowError:
        """The row with its photo, archived by now; or why it has none."""
        if isinstance(row, RowError):
            return row
        try:
            return _ArchivedRow(row, self._archive(row))
        except ImageRejected as error:
            return RowError(row.number, str(error))

    def _archive(self, row: CsvRow) -> ArchivedPhoto:
        if row.content_sha256 is not None:
            known = self._find_archived(row.content_sha256)
            if known is None:
                detail = f"no archived photo has the hash {row.content_sha256}"
                raise ImageRejected(QuarantineReason.OBJECT_ABSENT, detail)
            return known
        max_bytes = self._archiver.limits.max_bytes
        if row.path is not None:
            data = _read_in_folder(self._folder, row.path, max_bytes=max_bytes)
        else:
            data = read_object(self._connections.photos, row.object_key or "", max_bytes=max_bytes)
        archived = self._find_archived(content_hash(data))
        key = row.object_key or f"{FILE_KEY}{row.path}"
        return archived or self._archiver.archive(data, object_key=key)

    def _find_archived(self, content_sha256: str) -> ArchivedPhoto | None:
        # Saves decoding and uploading the bytes again: a repeated import is much faster.
        with self._queries:
            rows = in_transaction(
                self._connections.engine, lambda c: photo_archive.load(c, [content_sha256])
            )
        return rows.get(content_sha256)


def _read_in_folder(folder: Path, relative: str, *, max_bytes: int) -> bytes:
    """Read a file inside a folder, which neither `..` nor a link may lead out of."""
    try:
        path = (folder / relative).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, overlong names
        raise ImageRejected(QuarantineReason.OBJECT_ABSENT, f"no file {relative!r}") from error
    if not path.is_relative_to(folder.resolve()):
        detail = f"{relative!r} leaves the folder of the CSV file"
        raise ImageRejected(QuarantineReason.FORBIDDEN, detail)
    return read_file(path, max_bytes=max_bytes)


def _reject_contradictions(
    items: Iterable[_ArchivedRow | RowError],
) -> Iterator[_ArchivedRow | RowError]:
    """Reject a row by which a reviewer gives a photo a second, different label in one file.

    A change of mind belongs into a later file. The first row stays: it may be committed already.
    """
    labels: dict[tuple[str, str], tuple[str, int]] = {}
    for item in items:
        if isinstance(item, _ArchivedRow):
            row = item.row
            label, number = labels.setdefault(item.pair, (row.label, row.number))
            if label != row.label:
                reason = f"{row.reviewer!r} calls the same photo {label} in line {number}"
                yield RowError(row.number, f"contradiction: {reason}")
                continue
        yield item


def _commit_batch(
    batch: list[_ArchivedRow | RowError], result: ImportResult, connections: Connections
) -> None:
    archived = [item for item in batch if isinstance(item, _ArchivedRow)]
    new = in_transaction(connections.engine, lambda c: _write(c, archived, connections))
    result.imported += new
    result.known += len(archived) - new
    result.rejected += [item for item in batch if isinstance(item, RowError)]


def _write(connection: Connection, batch: list[_ArchivedRow], connections: Connections) -> int:
    """Write one batch; returns how many labels are new."""
    keys = [item.row.object_key for item in batch if item.row.object_key is not None]
    reviews = load_review_ids(connection, connections.commerce, keys)
    photo_archive.upsert(connection, [_with_review(item, reviews) for item in batch])
    latest = latest_labels(connection, {item.pair for item in batch})
    return add_labels(
        connection,
        [
            _new_label(item)
            for item in batch
            # An undated row that repeats its reviewer's latest label is no new decision: its time
            # is the file's, which changes when other rows are fixed or the file is copied.
            if item.row.dated or latest.get(item.pair, ("", None))[0] != item.row.label
        ],
    )


def _with_review(item: _ArchivedRow, reviews: dict[str, str]) -> ArchivedPhoto:
    review = item.row.review_id or reviews.get(item.row.object_key or "")
    return replace(item.photo, review_id=item.photo.review_id or review)


def _new_label(item: _ArchivedRow) -> NewLabel:
    row = item.row
    return NewLabel(
        content_sha256=item.photo.content_sha256,
        label=row.label,
        reviewer=row.reviewer,
        route=row.route,
        decided_at=row.decided_at,
        sampling_rate=row.sampling_rate,
        category=row.category,
    )
