"""The text of photos that would pass is read after the forward pass, the likeliest first.

A batch waits while others are scored: when the first one has to leave, the budget goes to the
likeliest photos of all that wait. At the end of a run, it goes to the likeliest of what still
waits; where it covers all texts, none waits. Nothing is written before a batch is whole.
"""

from bisect import insort_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import islice

from ml.core.types import NOT_NEEDED, Outcome, Scored, ScreenStatus, not_run
from ml.moderation.pipeline.preprocessing import ReadText, UnreadText
from ml.moderation.pipeline.screening import Screening, add_text
from ml.vision.screens.text.screen import NAME

WINDOW_PHOTOS = 256  # of which the likeliest are read
SPARE_BATCHES = 2  # that wait only for what is being read
# Of the files of photos that wait; beyond it those with the least likely text are not read.
MAX_WAITING_BYTES = 128 * 2**20
MAX_READING_BYTES = 128 * 2**20  # of the files that are being read; beyond it, the run waits
MAX_REMEMBERED = 1000  # texts by content: the same file is often uploaded again

Read = Callable[[UnreadText], "Future[ReadText]"]


@dataclass(eq=False)
class _Batch:
    outcomes: list[Outcome]
    reads: dict[int, "Future[ReadText]"] = field(default_factory=dict)  # by place

    @property
    def is_read(self) -> bool:
        return all(read.done() for read in self.reads.values())


@dataclass(frozen=True)
class _Candidate:
    batch: _Batch
    place: int
    unread: UnreadText
    likelihood: float

    @property
    def size(self) -> int:
        return len(self.unread.fetched.data)


class TextReading:
    """Holds the scored batches of a run until their texts are read. Used by one thread.

    `read` begins to read a text in a decode worker.
    """

    def __init__(
        self,
        screening: Screening,
        read: Read,
        *,
        batch_size: int,
        window_photos: int = WINDOW_PHOTOS,
    ) -> None:
        self._screening, self._read, self._budget = screening, read, screening.budget
        self._max_open = max(1, window_photos // batch_size)
        self._batches: deque[_Batch] = deque()  # in order
        self._candidates: list[_Candidate] = []  # by likelihood; of equal ones the first is last
        self._in_work: dict[Future[ReadText], int] = {}  # with the bytes of the file
        self._remembered: dict[str, Future[ReadText]] = {}

    def add(
        self, outcomes: list[Outcome], unread: Mapping[int, UnreadText]
    ) -> Iterator[list[Outcome]]:
        """Take a scored batch, with its unread texts by place; yield those that are done."""
        batch = _Batch(outcomes)
        self._batches.append(batch)
        self._add_candidates(batch, unread)
        self._charge_done()
        self._begin_reads(must_choose=len(self._batches) > self._max_open)
        self._limit_bytes()
        for closed in islice(self._batches, max(0, len(self._batches) - self._max_open)):
            self._close(closed)
        yield from self._take_done(self._max_open + SPARE_BATCHES)

    def finish(self) -> Iterator[list[Outcome]]:
        """Read what the budget still covers, and yield the batches that are left."""
        self._charge_done()
        self._begin_reads(must_choose=True)
        while self._in_work:
            self._await_one()
            self._begin_reads(must_choose=True)
        self._candidates.clear()
        yield from self._take_done(0)

    def _add_candidates(self, batch: _Batch, unread: Mapping[int, UnreadText]) -> None:
        photos = {place: _scored(batch.outcomes[place]) for place in unread}
        needed = self._screening.needs_text(list(photos.values())) if photos else ()
        for (place, photo), needs in zip(photos.items(), needed, strict=True):
            if needs:
                new = _Candidate(batch, place, unread[place], unread[place].likelihood)
                insort_left(self._candidates, new, key=_likelihood)
            else:
                batch.outcomes[place] = leave_out(photo)

    def _begin_reads(self, *, must_choose: bool) -> None:
        """Begin with the likeliest candidates if the budget covers all; or some, if it must be."""
        while self._candidates and (must_choose or self._budget.covers(len(self._candidates))):
            candidate = self._candidates[-1]
            content = candidate.unread.sha256
            if content not in self._remembered:
                if not self._budget.take():
                    return
                self._begin_read(candidate)
            self._candidates.pop()
            candidate.batch.reads[candidate.place] = self._remembered[content]

    def _begin_read(self, candidate: _Candidate) -> None:
        while sum(self._in_work.values()) > MAX_READING_BYTES:
            self._await_one()
        read = self._read(candidate.unread)
        self._in_work[read] = candidate.size
        self._remembered[candidate.unread.sha256] = read
        if len(self._remembered) > MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def _await_one(self) -> None:
        wait(self._in_work, return_when=FIRST_COMPLETED)
        self._charge_done()

    def _charge_done(self) -> None:
        for read in [read for read in self._in_work if read.done()]:
            del self._in_work[read]
            self._budget.add_cost(read.result().cost)

    def _limit_bytes(self) -> None:
        """Read if the files that wait are too large in sum; what the budget does not cover goes."""
        if self._waiting_bytes() > MAX_WAITING_BYTES:
            self._begin_reads(must_choose=True)
        while self._waiting_bytes() > MAX_WAITING_BYTES:
            self._candidates.pop(0)

    def _waiting_bytes(self) -> int:
        return sum(candidate.size for candidate in self._candidates)

    def _close(self, batch: _Batch) -> None:
        self._candidates = [c for c in self._candidates if c.batch is not batch]

    def _take_done(self, max_batches: int) -> Iterator[list[Outcome]]:
        """The first batches that wait for nothing, and all beyond so many."""
        while self._batches:
            first = self._batches[0]
            waits = not first.is_read or any(c.batch is first for c in self._candidates)
            if waits and len(self._batches) <= max_batches:
                return
            yield _with_texts(self._batches.popleft())


def leave_out(photo: Scored) -> Scored:
    """The photo with the result of a text that is not read since the photo does not pass anyway."""
    found = photo.screens[NAME]
    is_open = found.state is ScreenStatus.NOT_RUN
    return add_text(photo, not_run(NAME, NOT_NEEDED, found.evidence)) if is_open else photo


def _with_texts(batch: _Batch) -> list[Outcome]:
    outcomes = list(batch.outcomes)
    for place, read in batch.reads.items():
        outcomes[place] = add_text(_scored(outcomes[place]), read.result().result)
    return outcomes


def _scored(outcome: Outcome) -> Scored:
    if not isinstance(outcome, Scored):  # pragma: no cover - only scored photos have a text
        raise TypeError(outcome)
    return outcome


def _likelihood(candidate: _Candidate) -> float:
    return candidate.likelihood
