"""Find decided photos that look like the one under review.

Labels are append-only, so this process keeps the hashes of decided photos and reads only those
added since. Whether a label is still active is queried each time.

Measured with 100,000 labels on two busy cores: 0.6 s to read all hashes, once per hour and process.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from ml.storage.read.similar_decisions import (
    LabelledHash,
    load_active_labels,
    load_labelled_hashes,
)
from ml.vision.images.fingerprint import MIN_QUALITY, NEAR_DUPLICATE_DISTANCE, pdq_words

_CANDIDATES = 50  # nearest photos whose labels are looked up: some labels may be undone
# A label may be committed after a later one, or before its photo's hash: all are read again.
_RELOAD_SECONDS = 3600.0


@dataclass(frozen=True)
class SimilarDecision:
    """A decided photo, its latest active label, and the number of differing bits (0 to 31)."""

    content_sha256: str
    label: str
    decided_at: datetime
    distance: int


@dataclass(frozen=True)
class _Index:
    """The decided photos read so far: contents, and their hashes in the same order."""

    last_label_id: int
    contents: tuple[str, ...]
    hashes: npt.NDArray[np.uint64]


class SimilarDecisions:
    """The newest decided photos by PDQ hash; thread-safe.

    Args:
        newest: maximum number of decided photos kept.
    """

    def __init__(self, newest: int = 100_000) -> None:
        self._newest = newest
        self._lock = Lock()
        self._index = _EMPTY
        self._reload_at = 0.0

    def find_similar(
        self, connection: Connection, pdq: str, *, exclude: str | None = None, limit: int = 6
    ) -> list[SimilarDecision]:
        """Decided photos at most 31 bits away, the nearest first.

        Args:
            connection: open.
            pdq: hash of the photo under review, 64 hexadecimal digits, of quality over 49.
            exclude: a content to leave out.
            limit: maximum number of photos.
        """
        with self._lock:
            index = self._index = self._refreshed(connection)
        bits = np.bitwise_count(index.hashes ^ pdq_words([pdq])).sum(axis=1)
        places = np.flatnonzero(bits <= NEAR_DUPLICATE_DISTANCE)
        nearest = places[np.argsort(bits[places], kind="stable")].tolist()
        distances = {index.contents[place]: int(bits[place]) for place in nearest}
        distances.pop(exclude or "", None)
        return _active_decisions(connection, dict(list(distances.items())[:_CANDIDATES]))[:limit]

    def _refreshed(self, connection: Connection) -> _Index:
        index = self._index
        if time.monotonic() > self._reload_at:
            self._reload_at, index = time.monotonic() + _RELOAD_SECONDS, _EMPTY
        hashes = load_labelled_hashes(
            connection, after_label_id=index.last_label_id, newest=self._newest
        )
        return _extended(index, hashes, self._newest) if hashes else index


def _extended(index: _Index, labels: Sequence[LabelledHash], newest: int) -> _Index:
    indexed = set(index.contents)
    added = {
        label.content_sha256: label.pdq
        for label in labels
        if label.pdq is not None
        and (label.pdq_quality or 0) > MIN_QUALITY
        and label.content_sha256 not in indexed
    }
    hashes = np.concatenate([index.hashes, pdq_words(list(added.values()))])
    contents = (*index.contents, *added)
    return _Index(labels[-1].label_id, contents[-newest:], hashes[-newest:])


def _active_decisions(connection: Connection, distances: dict[str, int]) -> list[SimilarDecision]:
    if not distances:
        return []
    decisions = [
        SimilarDecision(
            one.content_sha256, one.label, one.decided_at, distances[one.content_sha256]
        )
        for one in load_active_labels(connection, distances)
    ]
    return sorted(decisions, key=lambda decision: (decision.distance, decision.content_sha256))


_EMPTY = _Index(0, (), pdq_words([]))
