"""Scored batches wait for their texts: the likeliest are read, and the budget is used, not more."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from ml.core.budget import Budget
from ml.core.types import (
    ImageContent,
    Outcome,
    PendingImage,
    Scored,
    ScreenStatus,
    negative,
    not_run,
    unknown,
)
from ml.moderation.pipeline import text_reading
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.pipeline.ocr_budget import OcrBudget, OcrCost
from ml.moderation.pipeline.preprocessing import ReadText, UnreadText
from ml.moderation.pipeline.screening import ProcessorTime, Screening
from ml.moderation.pipeline.text_reading import TextReading
from ml.policy.screens import Screens
from ml.vision.screens.duplicate_index import DuplicateIndex
from tests.support.manual_clock import ManualClock

BATCH = 8
PHOTO_SECONDS, READ_SECONDS = 0.02, 0.2  # of a processor, before the text and for it


@dataclass
class Run:
    """Photos with these likelihoods through a run, whose clock counts the work; one read a moment.

    `passes` are the places of the photos that would pass.
    """

    likelihoods: Sequence[float]
    share: float
    passes: Callable[[int], bool] = lambda _place: True
    contents: Sequence[int] | None = None  # photos with equal numbers have the same bytes
    size: int = 1000  # bytes of a file
    read: list[int] = field(default_factory=list)
    outcomes: list[Scored] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.budget = Budget(0.0, rate=self.share, clock=self.clock)

    def run(self) -> "Run":
        """Add the photos in batches, and finish."""
        reading = TextReading(
            Screening(
                Screens.model_validate({"text": {"enabled": True}}),
                DuplicateIndex([]),
                OcrBudget(self.budget, self.share),
                lambda photos: [self.passes(int(p.image.object_key)) for p in photos],
                ProcessorTime(),
            ),
            self._read,
            batch_size=BATCH,
        )
        for start in range(0, len(self.likelihoods), BATCH):
            places = range(start, min(start + BATCH, len(self.likelihoods)))
            self.clock.now += PHOTO_SECONDS * len(places)
            unread = {n - start: self._unread(n) for n in places}
            self._take(reading.add([self._scored(n) for n in places], unread))
        self._take(reading.finish())
        return self

    @property
    def reasons(self) -> list[str | None]:
        """Those of the text screen, in order."""
        return [photo.screens["text"].reason for photo in self.outcomes]

    def _take(self, batches: Iterator[list[Outcome]]) -> None:
        self.outcomes += [o for batch in batches for o in batch if isinstance(o, Scored)]

    def _read(self, unread: UnreadText) -> "Future[ReadText]":
        self.clock.now += READ_SECONDS
        self.read.append(int(unread.fetched.image.object_key))
        done: Future[ReadText] = Future()
        cost = OcrCost(READ_SECONDS, READ_SECONDS, succeeded=True)
        done.set_result(ReadText(negative("text", 0.0, {"read": True}), cost))
        return done

    def _sha256(self, number: int) -> str:
        return f"{self.contents[number] if self.contents else number:064x}"

    def _unread(self, number: int) -> UnreadText:
        image = PendingImage(str(number), "", self.size)
        result = not_run("text", "budget", {"likelihood": self.likelihoods[number], "read": False})
        return UnreadText(
            Fetched(image, bytes(self.size)), self._sha256(number), (result.to_json(),)
        )

    def _scored(self, number: int) -> Scored:
        content = ImageContent(self._sha256(number), "0" * 64, 90, 10, 10)
        result = not_run("text", "budget", {"likelihood": self.likelihoods[number], "read": False})
        image = PendingImage(str(number), "", self.size)
        return Scored(image, content, {"normal": 1.0, "violate": 0.0}, None, {"text": result})


def shuffled(photos: int) -> list[float]:
    likelihoods = [0.1 + 0.9 * n / photos for n in range(photos)]
    random.Random(7).shuffle(likelihoods)  # noqa: S311 - any order works
    return likelihoods


@pytest.mark.parametrize("share", [0.05, 0.3])
@pytest.mark.parametrize("equal", [False, True])
def test_budget_is_spent_and_not_exceeded_where_all_photos_have_text(
    share: float, *, equal: bool
) -> None:
    done = Run([0.7] * 2000 if equal else shuffled(2000), share).run()
    spent = READ_SECONDS * len(done.read)
    assert done.budget.earned - READ_SECONDS <= spent <= done.budget.earned + READ_SECONDS
    assert spent == pytest.approx(share / (1 - share) * 2000 * PHOTO_SECONDS, rel=0.05)


def test_the_likeliest_texts_are_read() -> None:
    likelihoods = shuffled(4000)
    read = Run(likelihoods, 0.1).run().read
    best = sorted(likelihoods, reverse=True)[: len(read)]
    assert sum(likelihoods[n] for n in read) > 0.95 * sum(best)


def test_first_photos_of_a_shard_are_read_too() -> None:
    read = Run([0.9] * 400, 0.2).run().read
    assert read[0] == 0
    assert len([n for n in read if n < 100]) >= 5


def test_what_is_saved_where_no_photo_has_text_is_spent_later() -> None:
    nothing = 1000
    done = Run([0.9] * (nothing + 200), 0.05, passes=lambda n: n >= nothing).run()
    assert READ_SECONDS * len(done.read) >= done.budget.earned - READ_SECONDS


def test_batches_keep_their_order_and_their_photos() -> None:
    done = Run(shuffled(500), 0.1).run()
    assert [photo.image.object_key for photo in done.outcomes] == [str(n) for n in range(500)]
    read = {n for n, photo in enumerate(done.outcomes) if photo.screens["text"].evidence["read"]}
    assert read == set(done.read)
    assert {done.reasons[n] for n in range(500) if n not in read} == {"budget"}


def test_photos_that_would_not_pass_are_left_out_with_a_reason_of_their_own() -> None:
    done = Run([0.9] * 40, 1.0, passes=lambda n: n % 2 == 0).run()
    assert sorted(done.read) == list(range(0, 40, 2))
    assert done.reasons == [None, "not_needed"] * 20
    left_out = done.outcomes[1].screens["text"]
    assert left_out.state is ScreenStatus.NOT_RUN
    assert left_out.evidence == {"likelihood": 0.9, "read": False}


def test_share_of_one_reads_all_and_no_share_reads_none() -> None:
    assert len(Run(shuffled(300), 1.0).run().read) == 300
    assert Run(shuffled(300), 0.0).run().read == []


def test_same_file_is_read_once() -> None:
    done = Run([0.9] * 600, 1.0, contents=[n % 3 for n in range(600)]).run()
    assert sorted(done.read) == [0, 1, 2]
    assert all(photo.screens["text"].evidence == {"read": True} for photo in done.outcomes)


def test_remembered_texts_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reading, "MAX_REMEMBERED", 10)
    done = Run([0.9] * 400, 1.0, contents=[n % 200 for n in range(400)]).run()
    assert len(done.read) == 400


def test_files_that_wait_are_limited_in_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reading, "MAX_WAITING_BYTES", 5_000)
    likelihoods = shuffled(64)
    run = Run(likelihoods, 0.0001)
    waiting = []
    limit = TextReading._limit_bytes

    def note(reading: TextReading) -> None:
        limit(reading)
        waiting.append([c.likelihood for c in reading._candidates])

    monkeypatch.setattr(TextReading, "_limit_bytes", note)
    run.run()
    assert max(map(len, waiting)) == 5
    unread = [likelihoods[n] for n in range(64) if n not in run.read]
    assert waiting[-1] == sorted(unread)[-5:]


def test_files_that_are_read_are_limited_in_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reading, "MAX_READING_BYTES", 3_500)
    in_work, most, lock = 0, 0, threading.Lock()

    def read() -> ReadText:
        nonlocal in_work
        time.sleep(0.01)
        with lock:
            in_work -= 1
        return ReadText(negative("text"), OcrCost(0.0, 0.0, succeeded=True))

    def begin(run: Run, _unread: UnreadText) -> "Future[ReadText]":
        nonlocal in_work, most
        run.read.append(0)
        with lock:
            in_work += 1
            most = max(most, in_work)
        return threads.submit(read)

    monkeypatch.setattr(Run, "_read", begin)
    with ThreadPoolExecutor(8) as threads:
        done = Run([0.9] * 40, 1.0).run()
    assert (most, len(done.read)) == (4, 40)


def test_a_failed_gate_keeps_its_result_where_the_photo_does_not_pass() -> None:
    photo = Run([0.9], 1.0)._scored(0)
    failed = Scored(**{**vars(photo), "screens": {"text": unknown("text", "failed")}})
    assert text_reading.leave_out(failed) == failed
