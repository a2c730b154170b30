"""Take in a CSV file of labels: photos into the photo store, decisions into `human_label`.

Lines stream through: fetched, decoded and kept by a pool of threads, written in batches, each of
them one transaction. Killed and run again, what is there counts as known, and the end is the same.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Connection, func, select

from ml.connections import Connections
from ml.errors import ImageRejected
from ml.images.decode import decode_limits
from ml.images.fingerprint import content_hash
from ml.inference.bounded import bounded_map
from ml.labels.csv_lines import Line, Refusal, read_lines
from ml.labels.keep_photos import PhotoKeeper, review_ids
from ml.labels.photo_bytes import from_bucket, from_folder
from ml.policy.policy import Policy
from ml.settings import Settings
from ml.storage import labelled_photos
from ml.storage.database import in_transaction
from ml.storage.labelled_photos import LabelledPhotoRow
from ml.storage.labels import NewLabel, add_labels, last_words

log = structlog.get_logger()

LINES_PER_COMMIT = 200
FILE_KEY = "import:"  # before the path of a photo that is no object of the shop

# As many as the engine's pool hands out without waiting, less the one that writes.
_MAX_QUERIES = 3


@dataclass
class ImportResult:
    """Lines by what became of them; `known` were there before, or earlier in the file."""

    taken: int = 0
    known: int = 0
    refused: list[Refusal] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """All of them."""
        return self.taken + self.known + len(self.refused)


@dataclass(frozen=True)
class _Ready:
    """A line whose photo is kept."""

    line: Line
    photo: LabelledPhotoRow


def import_labels(
    file: Path,
    *,
    settings: Settings,
    connections: Connections,
    policy: Policy,
    progress: Callable[[int], None] = lambda _: None,
) -> ImportResult:
    """Take every good line; the others are reported, each with its reason.

    Args:
        file: see docs/labels.md.
        settings: limits of a photo, and the number of threads.
        connections: the shop's bucket and table, ours.
        policy: its classes are the labels.
        progress: is told after each commit how many lines it settled.

    Raises:
        LabelsRefused: the file as a whole cannot be read; nothing was taken.
        StorageError: bucket or database as a whole; what was committed stays, run it again.
    """
    now: datetime = in_transaction(
        connections.engine, lambda c: c.execute(select(func.now())).scalar_one()
    )
    lines = read_lines(file, classes=policy.classes, now=now)
    photos = _Photos(file.parent, settings, connections)
    contradictions = _Contradictions()
    result = ImportResult()
    ahead = 2 * settings.fetch_threads
    with (
        ThreadPoolExecutor(settings.fetch_threads, "import") as pool,
        closing(bounded_map(pool, photos.settle, lines, ahead=ahead)) as settled,
    ):
        for batch in _batches(map(contradictions.check, settled)):
            _take(batch, result, connections)
            progress(len(batch))
    log.info("labels", taken=result.taken, known=result.known, refused=len(result.refused))
    return result


class _Photos:
    """Finds and keeps the photo of a line; shared by threads."""

    def __init__(self, folder: Path, settings: Settings, connections: Connections) -> None:
        self._folder = folder
        self._limits = decode_limits(settings)
        self._connections = connections
        self._keeper = PhotoKeeper(
            connections.models, self._limits, decoders=settings.decode_threads
        )
        self._query = threading.Semaphore(_MAX_QUERIES)

    def settle(self, line: Line | Refusal) -> _Ready | Refusal:
        """The line with its photo, kept by now; or why it has none."""
        if isinstance(line, Refusal):
            return line
        try:
            return _Ready(line, self._keep(line))
        except ImageRejected as error:
            return Refusal(line.number, str(error))

    def _keep(self, line: Line) -> LabelledPhotoRow:
        data = self._bytes(line)
        kept = self._kept(content_hash(data))
        key = line.object_key or f"{FILE_KEY}{line.path}"
        return kept or self._keeper.keep(data, object_key=key, review_id=None)

    def _bytes(self, line: Line) -> bytes:
        largest = self._limits.max_bytes
        if line.path is not None:
            return from_folder(self._folder, line.path, max_bytes=largest)
        return from_bucket(self._connections.photos, line.object_key or "", max_bytes=largest)

    def _kept(self, content_sha256: str) -> LabelledPhotoRow | None:
        # Saves decoding and writing the bytes once more: a second import is much faster.
        with self._query:
            rows = in_transaction(
                self._connections.engine, lambda c: labelled_photos.load(c, [content_sha256])
            )
        return rows.get(content_sha256)


class _Contradictions:
    """Refuses a line by which a reviewer says two things about one photo in one file.

    A change of mind belongs into a later file. The first line stands: it may be committed already.
    """

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[str, int]] = {}

    def check(self, item: _Ready | Refusal) -> _Ready | Refusal:
        if isinstance(item, Refusal):
            return item
        line, pair = item.line, (item.photo.content_sha256, item.line.reviewer)
        label, number = self._said.setdefault(pair, (line.label, line.number))
        if label == line.label:
            return item
        return Refusal(
            line.number,
            f"contradiction: {line.reviewer!r} calls the same photo {label} in line {number}",
        )


def _batches(items: Iterator[_Ready | Refusal]) -> Iterator[list[_Ready | Refusal]]:
    while batch := list(islice(items, LINES_PER_COMMIT)):
        yield batch


def _take(batch: list[_Ready | Refusal], result: ImportResult, connections: Connections) -> None:
    ready = [item for item in batch if isinstance(item, _Ready)]
    new = in_transaction(connections.engine, lambda c: _write(c, ready, connections))
    result.taken += new
    result.known += len(ready) - new
    result.refused += [item for item in batch if isinstance(item, Refusal)]


def _write(connection: Connection, ready: list[_Ready], connections: Connections) -> int:
    """One batch in one transaction; returns how many labels are new."""
    keys = [item.line.object_key for item in ready if item.line.object_key is not None]
    reviews = review_ids(connection, connections.commerce, keys)
    rows = [_with_review(item, reviews) for item in ready]
    labelled_photos.remember(connection, rows)
    pairs = {(item.photo.content_sha256, item.line.reviewer) for item in ready}
    words = last_words(connection, pairs)
    return add_labels(connection, [_label(item) for item in ready if not _said(item, words)])


def _with_review(item: _Ready, reviews: dict[str, str]) -> LabelledPhotoRow:
    review = item.line.review_id or reviews.get(item.line.object_key or "")
    return replace(item.photo, review_id=item.photo.review_id or review)


def _said(item: _Ready, words: dict[tuple[str, str], tuple[str, int | None]]) -> bool:
    """An undated line that repeats its reviewer's last word is no new decision.

    Its time is the file's, which changes when other lines are mended or the file is copied.
    """
    word = words.get((item.photo.content_sha256, item.line.reviewer))
    return not item.line.dated and word is not None and word[0] == item.line.label


def _label(item: _Ready) -> NewLabel:
    line = item.line
    return NewLabel(
        content_sha256=item.photo.content_sha256,
        label=line.label,
        reviewer=line.reviewer,
        route=line.route,
        decided_at=line.decided_at,
        sampling_rate=line.sampling_rate,
        category=line.category,
    )
