"""Photos that people decided on and that look like the one in hand.

Labels are append-only, so the hashes of the decided photos are kept in this process and only what
was added since is read; whether a label still stands is asked of the database each time.

Measured with 100,000 labels on two busy cores: 0.6 s to read them all, once an hour and process.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, text

from ml.images.fingerprint import HASH_BITS, MIN_QUALITY, NEAR_DUPLICATE_DISTANCE

_WORDS = HASH_BITS // 64
_CANDIDATES = 50  # nearest photos whose labels are looked up: some may be taken back
# A label may be committed after a later one, or come before its photo's hash: all is read anew.
_RELOAD_SECONDS = 3600.0

_NEW = text(
    """
    select h.label_id, h.content_sha256, coalesce(p.pdq, i.pdq) as pdq,
        coalesce(p.pdq_quality, i.pdq_quality) as pdq_quality
    from (
        select label_id, content_sha256 from moderation.human_label
        where label_id > :after order by label_id desc limit :newest
    ) h
    left join moderation.labelled_photo p on p.content_sha256 = h.content_sha256
    left join lateral (
        select pdq, pdq_quality from moderation.image
        where content_sha256 = h.content_sha256 and pdq is not null and p.pdq is null limit 1
    ) i on true
    order by h.label_id
    """
)
_STANDING = text(
    """
    select distinct on (content_sha256) content_sha256, label, decided_at
    from moderation.human_label h
    where content_sha256 = any(:contents)
        and not exists (select from moderation.decision_undo u where u.label_id = h.label_id)
    order by content_sha256, label_id desc
    """
)


@dataclass(frozen=True)
class NearDecision:
    """A decided photo, its last label that stands, and the bits (0 to 31) in which it differs."""

    content_sha256: str
    label: str
    decided_at: datetime
    distance: int


@dataclass(frozen=True)
class _Bank:
    """The decided photos read so far: contents, and their hashes in the same order."""

    last: int  # label_id
    contents: tuple[str, ...]
    hashes: npt.NDArray[np.uint64]


class NearDecisions:
    """The newest decided photos by PDQ hash; safe in a pool of threads.

    Args:
        newest: decided photos that are kept at most.
    """

    def __init__(self, newest: int = 100_000) -> None:
        self._newest = newest
        self._lock = Lock()
        self._bank = _EMPTY
        self._reload_at = 0.0

    def near(
        self, connection: Connection, pdq: str, *, leave_out: str | None = None, most: int = 6
    ) -> list[NearDecision]:
        """Decided photos at most 31 bits away, the nearest first.

        Args:
            connection: open.
            pdq: hash of the photo in hand, 64 hexadecimal digits, of quality over 49.
            leave_out: a content that is not shown.
            most: how many at most.
        """
        with self._lock:
            bank = self._bank = self._refreshed(connection)
        bits = np.bitwise_count(bank.hashes ^ _words([pdq])).sum(axis=1)
        places = np.flatnonzero(bits <= NEAR_DUPLICATE_DISTANCE)
        nearest = places[np.argsort(bits[places], kind="stable")].tolist()
        found = {bank.contents[place]: int(bits[place]) for place in nearest}
        found.pop(leave_out or "", None)
        return _standing(connection, dict(list(found.items())[:_CANDIDATES]))[:most]

    def _refreshed(self, connection: Connection) -> _Bank:
        bank = self._bank
        if time.monotonic() > self._reload_at:
            self._reload_at, bank = time.monotonic() + _RELOAD_SECONDS, _EMPTY
        rows = connection.execute(_NEW, {"after": bank.last, "newest": self._newest}).all()
        return _with(bank, rows, self._newest) if rows else bank


def _with(bank: _Bank, rows: Sequence[Row[Any]], newest: int) -> _Bank:
    known = set(bank.contents)
    usable = {
        row.content_sha256: row.pdq
        for row in rows
        if row.pdq is not None and row.pdq_quality > MIN_QUALITY
    }
    new = {content: pdq for content, pdq in usable.items() if content not in known}
    hashes = np.concatenate([bank.hashes, _words(list(new.values()))])
    return _Bank(rows[-1].label_id, (*bank.contents, *new)[-newest:], hashes[-newest:])


def _standing(connection: Connection, distances: dict[str, int]) -> list[NearDecision]:
    if not distances:
        return []
    rows = connection.execute(_STANDING, {"contents": list(distances)})
    found = [
        NearDecision(content, label, decided_at, distances[content])
        for content, label, decided_at in rows
    ]
    return sorted(found, key=lambda near: (near.distance, near.content_sha256))


def _words(hashes: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hashes as an array (n, 4) of 64-bit words."""
    raw = bytes.fromhex("".join(hashes))
    return np.frombuffer(raw, dtype=np.uint64).reshape(len(hashes), _WORDS)


_EMPTY = _Bank(0, (), _words([]))
