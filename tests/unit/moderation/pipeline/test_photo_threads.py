"""The threads of a run: errors, log context, the limit of fetches, and overdue photos."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from ml.core.concurrency import StageTimer
from ml.core.settings import Settings
from ml.core.types import PendingImage
from ml.moderation.pipeline.decode_pool import decode_pool
from ml.moderation.pipeline.fetch import Fetcher
from ml.moderation.pipeline.photo_threads import PhotoThreads
from ml.moderation.pipeline.preprocessing import PreparedImage, Preprocessor
from ml.moderation.pipeline.screening import Screening, load_screening
from ml.policy.screens import Screens
from ml.vision.images.preprocess import ARTICLE
from ml.vision.screens.duplicate_index import DuplicateIndex
from tests.support.decoding import decode_workers
from tests.unit.vision.images.pictures import encoded, photo
from tests.unit.vision.screens.conftest import with_text

JPEG = encoded(photo(), "JPEG")


@dataclass
class Source:
    """Photos of a bucket; the key `bug` is an error that is no answer of a bucket."""

    most: int = 0
    data: bytes = JPEG
    contexts: list[dict[str, object]] = field(default_factory=list)
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str, **_: object) -> bytes:
        """Note who asks, and answer after a while."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.contexts.append(dict(get_contextvars()))
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        if key == "bug":
            raise ZeroDivisionError
        return self.data


def settings_of(decode_seconds: float) -> Settings:
    return Settings(decode_seconds=decode_seconds, decode_workers=1, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings' own argument


def threads(
    source: Source,
    decode_seconds: float,
    *,
    fetch_threads: int = 4,
    screening: Screening | None = None,
) -> PhotoThreads:
    settings, clock = settings_of(decode_seconds), StageTimer()
    return PhotoThreads(
        Fetcher(source, settings.max_image_bytes, clock),
        Preprocessor(ARTICLE, settings, clock, screening=screening),
        fetch_threads=fetch_threads,
    )


def image(key: str) -> PendingImage:
    return PendingImage(key, "", len(JPEG))


def test_photos_are_prepared_and_few_are_fetched_at_a_time() -> None:
    source = Source()
    with (
        bound_contextvars(run_id="r"),
        threads(source, 15.25, fetch_threads=2) as run,
    ):
        done = [run.submit(image(str(n))) for n in range(20)]
        results = [future.result() for future in done]
    assert all(isinstance(result, PreparedImage) for result in results)
    assert [result.image.object_key for result in results] == [str(n) for n in range(20)]
    assert source.most == 2
    assert {(c["run_id"], c["image"]) for c in source.contexts} == {
        ("r", str(n)) for n in range(20)
    }


def test_texts_are_read_before_further_photos_are_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screens = Screens.model_validate({"text": {"enabled": True}})
    banner = encoded(with_text("WeChat: lucky_mei77"), "PNG")
    begun: list[str] = []
    for name in ("read", "prepare"):
        monkeypatch.setattr(Preprocessor, name, noted(begun, name))
    with threads(
        Source(data=banner), 15.75, screening=load_screening(screens, DuplicateIndex([]))
    ) as run:
        first = run.submit(image("first")).result()
        assert isinstance(first, PreparedImage)
        assert first.unread is not None
        with run._places.take():  # the only one
            waiting = [run.submit(image(str(n))) for n in range(3)]
            while len(run._fetched) < len(waiting):
                time.sleep(0.01)
            read = run.read(first.unread)
        run._do_waiting()
        assert read.result().result.reason == "contact:wechat"
        assert all(isinstance(future.result(), PreparedImage) for future in waiting)
    assert begun == ["prepare", "read", *["prepare"] * 3]


def noted(begun: list[str], name: str) -> Callable[..., object]:
    method = getattr(Preprocessor, name)

    def call(*arguments: object, **keywords: object) -> object:
        begun.append(name)
        return method(*arguments, **keywords)

    return call


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    with threads(Source(), 15.25) as run:
        failed, good = run.submit(image("bug")), run.submit(image("good"))
        assert isinstance(good.result(), PreparedImage)
        with pytest.raises(ZeroDivisionError):
            failed.result()


def test_overdue_photo_leaves_its_place_and_is_finished() -> None:
    with threads(Source(), 15.5) as run:
        run.submit(image("first")).result()
        [worker] = decode_workers(15.5)
        worker.suspend()
        try:
            slow = run.submit(image("slow"))
            while decode_pool(settings_of(15.5))._idle:  # until it has the only place
                time.sleep(0.01)
            others = [run.submit(image(str(n))) for n in range(5)]
            assert all(isinstance(o.result(timeout=60), PreparedImage) for o in others)
            assert not slow.done()
        finally:
            worker.resume()
        assert isinstance(slow.result(timeout=60), PreparedImage)


def test_threads_end_without_the_photos_that_nobody_waits_for() -> None:
    source = Source()
    with threads(source, 15.25) as run:
        run.submit(image("first")).result()
        done = [run.submit(image(str(n))) for n in range(200)]
        for future in done:
            future.cancel()
    assert len(source.contexts) < 150  # few, unless this machine is very busy


def test_photos_are_prepared_with_a_closed_pool() -> None:
    with threads(Source(), 93.0) as opened:
        decode_pool(settings_of(93.0)).close()
        assert isinstance(opened.submit(image("one")).result(timeout=60), PreparedImage)
    with threads(Source(), 93.0) as opened:
        assert isinstance(opened.submit(image("two")).result(timeout=60), PreparedImage)
