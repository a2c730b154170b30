"""The photos that reviewers decided on, by PDQ hash, in memory."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import faiss
import numpy as np
import numpy.typing as npt

from ml.core.types import DecidedPhoto, ListedHash
from ml.vision.images.fingerprint import (
    HASH_BITS,
    MIN_QUALITY,
    NEAR_DUPLICATE_DISTANCE,
    TURNS,
    pdq_words,
    turned_hashes,
)
from ml.vision.screens.near_duplicates import Match


class DuplicateIndex:
    """Exact index of decided photos; it misses no match within 31 bits. Thread-safe.

    It compares every hash (faiss's IndexBinaryFlat: 32 bytes per photo). Measured with a million
    random hashes: 2 ms per look-up on an idle core, 5 to 12 on a busy one (see
    `benchmarks/screens_limits.py`). An exact multi-index hash (16 bands of 16 bits, one bit of
    tolerance) took 2 ms on the busy core but 12 s to build, and those figures assume uniformly
    distributed bits, which real photos do not have.

    Photos with a hash of quality 49 or less are excluded: they match unrelated photos. `listed` are
    hashes of outside lists. Of what is blocked, all eight orientations are found.
    """

    def __init__(self, photos: Iterable[DecidedPhoto], listed: Iterable[ListedHash] = ()) -> None:
        usable = [photo for photo in photos if photo.pdq_quality > MIN_QUALITY]
        passed = [(p.pdq, _Entry(p.content_sha256)) for p in usable if not p.blocked]
        blocked = [(p.pdq, _Entry(p.content_sha256)) for p in usable if p.blocked]
        self._of_bytes: dict[bytes, str] = {}
        self._has_md5 = False
        for found in listed:
            if found.kind == "pdq":
                blocked.append((found.hash, _Entry("", found.source)))
            else:
                self._of_bytes.setdefault(bytes.fromhex(found.hash), found.source)
                self._has_md5 |= found.kind == "md5"
        self._passed, self._blocked = _Hashes(passed), _Hashes(blocked)

    def __len__(self) -> int:
        return len(self._passed) + len(self._blocked)

    def find_near(self, pdq: str, distance: int = NEAR_DUPLICATE_DISTANCE) -> list[Match]:
        """The decided photos at most `distance` bits away, the nearest first.

        A turned photo's hash is only nearly that of its original: some of these are missed.
        """
        query = _to_bytes(pdq)
        matches = [
            Match(entry.content_sha256, bits, blocked=False)
            for entry, bits, _ in self._passed.find(query, distance)
        ]
        turned = np.concatenate([query, turned_hashes(pdq)])
        matches += [
            Match(
                entry.content_sha256, bits, blocked=True, turned=_TURNS[turn], source=entry.source
            )
            for entry, bits, turn in self._blocked.find(turned, distance)
        ]
        return sorted(matches, key=lambda match: (match.distance, match.content_sha256))

    def find_listed(self, content_sha256: str, data: bytes) -> str | None:
        """The outside list that has the very bytes, if there is one."""
        found = self._of_bytes.get(bytes.fromhex(content_sha256))
        if found is None and self._has_md5:
            found = self._of_bytes.get(hashlib.md5(data, usedforsecurity=False).digest())
        return found


_TURNS = (None, *TURNS)


class _Entry(NamedTuple):
    content_sha256: str
    source: str | None = None


class _Hashes:
    """Entries by their hash; faiss compares all of them."""

    def __init__(self, entries: Sequence[tuple[str, _Entry]]) -> None:
        self._entries = [entry for _, entry in entries]
        self._index = faiss.IndexBinaryFlat(HASH_BITS)
        if entries:
            self._index.add(_to_bytes(*(pdq for pdq, _ in entries)))

    def __len__(self) -> int:
        return len(self._entries)

    def find(
        self, hashes: npt.NDArray[np.uint8], distance: int
    ) -> Iterator[tuple[_Entry, int, int]]:
        """The entries near one of the hashes (n, 32): bits, and row of the nearest hash."""
        if not self._entries:
            return
        # faiss's radius is exclusive.
        limits, distances, indices = self._index.range_search(hashes, distance + 1)
        rows = np.repeat(np.arange(len(hashes)), (limits[1:] - limits[:-1]).astype(np.int64))
        nearest: dict[int, tuple[int, int]] = {}
        for index, bits, row in zip(
            indices.tolist(), distances.tolist(), rows.tolist(), strict=True
        ):
            nearest[index] = min(nearest.get(index, (HASH_BITS, 0)), (int(bits), row))
        for index, (bits, row) in nearest.items():
            yield self._entries[index], bits, row


def _to_bytes(*hashes: str) -> npt.NDArray[np.uint8]:
    """Hashes as an array (n, 32) of bytes."""
    return pdq_words(hashes).view(np.uint8)
