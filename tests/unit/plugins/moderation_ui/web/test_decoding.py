"""Decodes of the pages: their number and their pixels are bounded."""

import asyncio
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from PIL import Image

from ml.core.settings import ROOT
from moderation_ui.web import decoding
from moderation_ui.web.decoding import MAX_DECODES, decode_slot, reserve_pixels
from moderation_ui.web.errors import ApiError
from tests.support.coroutines import run_coroutine

LIMIT = 20_000_000


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "WAIT_SECONDS", 0.2)


def test_photo_over_the_limit_is_refused_at_once() -> None:
    with pytest.raises(ApiError) as caught, reserve_pixels(LIMIT + 1, LIMIT):
        pass
    assert (caught.value.status, caught.value.code) == (422, "too_large")


def test_pixels_beyond_the_limit_wait_and_are_then_503() -> None:
    with reserve_pixels(LIMIT - 10, LIMIT):
        with reserve_pixels(10, LIMIT):
            pass
        with pytest.raises(ApiError) as caught, reserve_pixels(11, LIMIT):
            pass
    assert (caught.value.status, caught.value.code) == (503, "busy")
    with reserve_pixels(LIMIT, LIMIT):  # all were given back
        pass


def test_waiting_photo_is_decoded_when_pixels_are_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "WAIT_SECONDS", 30.0)
    began = Event()

    def decode_next() -> bool:
        began.set()
        with reserve_pixels(LIMIT, LIMIT):
            return True

    with ThreadPoolExecutor(1) as pool:
        with reserve_pixels(1, LIMIT):
            waiting = pool.submit(decode_next)
            began.wait()
            assert not waiting.done()
        assert waiting.result(timeout=20)


def test_slots_bound_the_number_of_decodes() -> None:
    async def hold(release: asyncio.Event) -> None:
        async with decode_slot():
            await release.wait()

    async def run() -> ApiError:
        release = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_DECODES):
                group.create_task(hold(release))
            await asyncio.sleep(0.05)
            with pytest.raises(ApiError) as caught:
                async with decode_slot():
                    pass
            release.set()
        async with decode_slot():
            return caught.value

    assert run_coroutine(run()).status == 503


_CONCURRENT = """
import sys
import asyncio
from ml.vision.images.decode import decoded_pixels
from ml.vision.images.display import arrange, decode_pictures
from ml.vision.images.open_photo import DecodeLimits
from moderation_ui.web.decoding import reserve_pixels, run_in_slot
limits, data = DecodeLimits(), sys.stdin.buffer.read()
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024
def show(_):
    pixels = decoded_pixels(data, limits=limits, short_side=320)
    with reserve_pixels(pixels, 20_000_000):
        return arrange(decode_pictures(data, 320, limits=limits), 320).size
before = peak()
async def show_all():
    return await asyncio.gather(*(run_in_slot(show, number) for number in range(6)))
assert set(asyncio.run(show_all())) == {(320, 320)}
print(peak() - before)
"""


def test_concurrent_thumbnails_have_the_memory_of_one() -> None:
    out = io.BytesIO()
    Image.new("RGB", (4000, 4000), (200, 30, 30)).save(out, "AVIF", speed=10)
    done = subprocess.run(
        [sys.executable, "-c", _CONCURRENT],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "plugins")},
        input=out.getvalue(),
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) < 330  # MiB; one takes 150, six at once 900
