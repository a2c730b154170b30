"""Photos through the decode workers: equal results, deadlines, crashes, and a broken machine."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from ml.core.budget import Budget
from ml.core.concurrency import StageTimer
from ml.core.errors import QuarantineReason, WorkerFailed
from ml.core.settings import Settings
from ml.core.types import DecidedPhoto, PendingImage, RejectedImage, ScreenStatus
from ml.moderation.pipeline.decode_pool import check_workers, decode_pool
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.pipeline.ocr_budget import OcrBudget
from ml.moderation.pipeline.preprocessing import PreparedImage, Preprocessor, UnreadText
from ml.moderation.pipeline.screening import ProcessorTime, Screening
from ml.policy.screens import Screens
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import ARTICLE, DecodePlan, prepare
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.signals import SignalInput, prepare_input
from tests.support.decoding import costly_photo, decode_workers, killed_workers
from tests.unit.vision.images.animations import animated
from tests.unit.vision.images.pictures import encoded, photo
from tests.unit.vision.screens.conftest import with_text

SHORT = 0.1  # seconds: enough for a small photo


def settings(seconds: float = 20.0, workers: int = 2) -> Settings:
    return Settings(decode_seconds=seconds, decode_workers=workers, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings' own argument


def preprocessor(used: Settings, rules: Screens | None = None, **screening: object) -> Preprocessor:
    defaults = {
        "decided": DuplicateIndex([]),
        "budget": OcrBudget(Budget(60.0)),
        "needs_text": lambda photos: [True] * len(photos),
        "processor_time": ProcessorTime(),
    }
    return Preprocessor(
        ARTICLE,
        used,
        StageTimer(),
        picture_side=rules.picture_side if rules else None,
        screening=Screening(rules, **{**defaults, **screening}) if rules else None,  # type: ignore[arg-type]  # handed through
    )


def fetched(data: bytes) -> Fetched:
    return Fetched(PendingImage("key", "", len(data)), data)


def reason_of(outcome: PreparedImage | RejectedImage) -> QuarantineReason:
    assert isinstance(outcome, RejectedImage)
    return outcome.error.reason


@pytest.mark.parametrize("side", [None, 800])
def test_worker_gives_the_very_pixels_and_hashes(side: int | None) -> None:
    used = settings()
    data = encoded(photo(1700, 1300), "JPEG")
    made = Preprocessor(ARTICLE, used, StageTimer(), picture_side=side).prepare(fetched(data))
    assert isinstance(made, PreparedImage)
    plan = DecodePlan(decode_limits(used), side)
    image = plan.for_model(plan.decode(data, ARTICLE).image, ARTICLE)
    np.testing.assert_array_equal(made.pixels, [prepare(image, ARTICLE)])
    assert (made.content.pdq, made.content.pdq_quality) == perceptual_hash(image)
    assert made.content.sha256 == content_hash(data)
    assert (made.content.width, made.content.height) == (1700, 1300)


def test_worker_gives_the_very_pixels_of_each_signal_and_view() -> None:
    used, inputs = settings(), (SignalInput(size=48, fit="pad"), SignalInput(size=640))
    data = animated([photo(300, 200), photo(300, 200).rotate(180)], "PNG")
    made = Preprocessor(ARTICLE, used, StageTimer(), picture_side=800, signals=inputs).prepare(
        fetched(data)
    )
    assert isinstance(made, PreparedImage)
    decoded = DecodePlan(decode_limits(used), 800).decode(data, ARTICLE)
    assert len(decoded.views) == 2
    for pixels, spec in zip(made.signal_pixels, inputs, strict=True):
        expected = [prepare_input(view.image, spec) for view in decoded.views]
        np.testing.assert_array_equal(pixels, expected)


def test_results_of_photos_in_parallel_are_not_mixed_up() -> None:
    made = preprocessor(settings(), Screens.model_validate({"codes": {"enabled": True}}))
    photos = [encoded(photo(300 + n, 200, seed=n), "JPEG") for n in range(24)]
    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(lambda data: made.prepare(fetched(data)), photos))
    for n, (data, outcome) in enumerate(zip(photos, outcomes, strict=True)):
        assert isinstance(outcome, PreparedImage)
        assert (outcome.content.sha256, outcome.content.width) == (content_hash(data), 300 + n)
        alone = made.prepare(fetched(data))
        assert isinstance(alone, PreparedImage)
        np.testing.assert_array_equal(outcome.pixels, alone.pixels)
        assert outcome.screens == alone.screens


def test_rejections_have_their_reason_and_hash() -> None:
    made = preprocessor(settings())
    for data, reason in (
        (b"", QuarantineReason.EMPTY),
        (b"no photo", QuarantineReason.NOT_AN_IMAGE),
        (b"x" * (20 * 2**20 + 1), QuarantineReason.TOO_MANY_BYTES),
        (encoded(photo(), "JPEG")[:900], QuarantineReason.TRUNCATED),
        (encoded(photo(20, 20), "PNG"), QuarantineReason.TOO_SMALL),
    ):
        outcome = made.prepare(fetched(data))
        assert reason_of(outcome) is reason
        assert isinstance(outcome, RejectedImage)
        assert outcome.sha256 == content_hash(data)


def test_text_is_read_by_a_second_request() -> None:
    rules = Screens.model_validate({"text": {"enabled": True}})
    used = ProcessorTime()
    made = preprocessor(settings(), rules, processor_time=used)
    prepared = made.prepare(fetched(encoded(with_text("WeChat: lucky_mei77"), "PNG")))
    assert isinstance(prepared, PreparedImage)
    assert prepared.screens["text"].reason == "budget"
    assert prepared.unread is not None
    assert (prepared.unread.sha256, prepared.unread.likelihood) == (
        prepared.content.sha256,
        prepared.screens["text"].evidence["likelihood"],
    )
    before = used()
    read = made.read(prepared.unread)
    assert read.result.reason == "contact:wechat"
    assert read.cost.succeeded
    assert 0 < read.cost.cpu_seconds <= used() - before


def test_photo_without_text_keeps_no_bytes() -> None:
    rules = Screens.model_validate({"text": {"enabled": True}})
    prepared = preprocessor(settings(), rules).prepare(fetched(encoded(photo(), "JPEG")))
    assert isinstance(prepared, PreparedImage)
    assert prepared.unread is None


def test_text_whose_worker_ends_is_unknown_and_harms_no_other() -> None:
    rules = Screens.model_validate({"text": {"enabled": True}})
    unread = unread_text(preprocessor(settings(), rules))
    strict = preprocessor(settings(SHORT), rules)  # too short to load the models of OCR
    with ThreadPoolExecutor(2) as threads:
        reading = threads.submit(strict.read, unread)
        other = preprocessor(settings(SHORT)).prepare(fetched(encoded(photo(), "JPEG")))
        read = reading.result()
    assert (read.result.state, read.result.reason) == (ScreenStatus.UNKNOWN, "failed")
    assert "2 tries" in str(read.result.evidence["error"])
    assert not read.cost.succeeded
    assert read.cost.cpu_seconds > 0
    assert isinstance(other, PreparedImage)


def unread_text(made: Preprocessor) -> UnreadText:
    prepared = made.prepare(fetched(encoded(with_text("WeChat: lucky_mei77"), "PNG")))
    assert isinstance(prepared, PreparedImage)
    assert prepared.unread is not None
    return prepared.unread


def test_text_whose_worker_was_killed_once_is_read_by_the_next() -> None:
    made = preprocessor(settings(18.75), Screens.model_validate({"text": {"enabled": True}}))
    unread = unread_text(made)
    [first] = decode_workers(18.75)
    first.suspend()
    timer = threading.Timer(0.2, first.kill)
    timer.start()
    assert made.read(unread).result.reason == "contact:wechat"
    timer.join()
    assert not first.is_running()


def test_duplicates_are_looked_up_here() -> None:
    page = with_text("the parcel never arrived", size=30)
    pdq, quality = perceptual_hash(page)
    bank = DuplicateIndex([DecidedPhoto("a" * 64, pdq, quality, blocked=True)])
    rules = Screens.model_validate({"duplicates": {"enabled": True}})
    found = preprocessor(settings(), rules, decided=bank).prepare(fetched(encoded(page, "PNG")))
    assert isinstance(found, PreparedImage)
    assert found.screens["duplicates"].reason == "near_duplicate_blocked"


def test_photo_over_the_deadline_is_rejected_and_harms_no_other() -> None:
    made = preprocessor(settings(SHORT))
    with ThreadPoolExecutor(4) as threads:
        costly = threads.submit(made.prepare, fetched(costly_photo()))
        others = [
            threads.submit(made.prepare, fetched(encoded(photo(seed=n), "JPEG"))) for n in range(30)
        ]
        assert all(isinstance(other.result(), PreparedImage) for other in others)
        outcome = costly.result()
    assert reason_of(outcome) is QuarantineReason.TOO_COSTLY
    assert isinstance(outcome, RejectedImage)
    assert "2 tries" in outcome.error.detail


def test_photo_whose_worker_was_killed_once_is_prepared_by_the_next() -> None:
    used = settings(19.5)
    made = preprocessor(used)
    made.prepare(fetched(encoded(photo(), "JPEG")))
    [first] = decode_workers(19.5)
    timer = threading.Timer(0.2, first.kill)
    timer.start()
    assert isinstance(made.prepare(fetched(costly_photo())), PreparedImage)
    timer.join()
    assert not first.is_running()


def test_photo_that_crashes_the_decoder_twice_is_corrupt() -> None:
    made = preprocessor(settings(19.25))
    made.prepare(fetched(encoded(photo(), "JPEG")))
    data = fetched(costly_photo())
    with ThreadPoolExecutor(1) as threads:
        outcome = threads.submit(made.prepare, data)
        crashed: set[int] = set()
        until = time.monotonic() + 120
        while len(crashed) < 2 and time.monotonic() < until:
            time.sleep(0.01)
            for process in decode_workers(19.25):
                # Only one that has started to work on the photo: it needs memory for the pixels.
                if process.pid not in crashed and _uses_memory_for_pixels(process):
                    process.send_signal(signal.SIGSEGV)
                    crashed.add(process.pid)
    assert reason_of(outcome.result()) is QuarantineReason.CORRUPT


def _uses_memory_for_pixels(process: psutil.Process) -> bool:
    try:
        return bool(process.memory_info().rss > 180 * 2**20)
    except psutil.NoSuchProcess:
        return False


def test_machine_on_which_no_worker_survives_is_not_the_photos_fault() -> None:
    used = settings(19.75)
    made = preprocessor(used)
    with (
        killed_workers(19.75, every=0.02),
        pytest.raises(WorkerFailed, match="memory"),
    ):
        made.prepare(fetched(encoded(photo(), "JPEG")))
    check_workers(used)
    assert isinstance(made.prepare(fetched(encoded(photo(), "JPEG"))), PreparedImage)


def test_cancelled_photo_frees_its_worker_and_is_not_tried_again() -> None:
    made, data = preprocessor(settings(18.5)), fetched(encoded(photo(), "JPEG"))
    made.prepare(data)
    [worker] = decode_workers(18.5)
    worker.suspend()
    cancelled = threading.Event()
    cancelled.set()
    assert reason_of(made.prepare(data, cancelled)) is QuarantineReason.TOO_COSTLY
    assert decode_workers(18.5) == []


def test_pools_of_equal_settings_are_one() -> None:
    assert decode_pool(settings()) is decode_pool(settings())
    assert decode_pool(settings()) is not decode_pool(settings(21.0))


def test_worker_loads_neither_model_nor_database() -> None:
    made = preprocessor(settings(18.25), Screens.model_validate({"codes": {"enabled": True}}))
    made.prepare(fetched(encoded(photo(), "JPEG")))
    [process] = decode_workers(18.25)
    loaded = {Path(m.path).name for m in process.memory_maps()}
    assert not [name for name in loaded if "torch" in name or "psycopg" in name or "faiss" in name]
