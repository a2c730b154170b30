"""Photos that keep decode workers busy: others are answered, and a time-out frees the worker."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from ml.moderation.pipeline.decode_pool import decode_pool
from tests.support.decoding import costly_photo, decode_workers
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.serving import RunningService, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

CPU_SECONDS = 21.0  # workers of its own
WORKERS = 2


@contextmanager
def suspended_workers(served: RunningService) -> Iterator[None]:
    """Suspend the service's workers, as files would that keep them busy."""
    pool = decode_pool(served.service.settings)
    with ThreadPoolExecutor(WORKERS) as threads:
        while sum(worker._ready for worker in pool._idle) < WORKERS:
            list(threads.map(served.predict, [photo(BRIGHT, size=(1500, 1200))] * WORKERS))
    while len(pool._idle) > WORKERS:  # spare ones, if that took long
        pool._idle.pop().close()
    for process in decode_workers(CPU_SECONDS):
        process.suspend()
    yield


def test_others_are_answered_while_workers_are_busy_and_a_timeout_frees_them(shop: Shop) -> None:
    options = {"decode_workers": WORKERS, "decode_seconds": CPU_SECONDS}
    with (
        serving(shop, serve_request_timeout_seconds=15.0, **options) as served,
        suspended_workers(served),
        ThreadPoolExecutor(WORKERS) as threads,
    ):
        busy = {process.pid for process in decode_workers(CPU_SECONDS)}
        stuck = [threads.submit(served.predict, photo(DARK, seed=n)) for n in range(WORKERS)]
        while decode_pool(served.service.settings)._idle:
            time.sleep(0.01)
        answers = [served.predict(photo(BRIGHT, seed=n)) for n in range(5)]
        assert [answer.json()["result"] for answer in answers] == ["normal"] * 5
        assert not any(request.done() for request in stuck)
        assert [r.result().json()["error"]["reason"] for r in stuck] == ["too_slow"] * WORKERS
        assert served.predict(photo(DARK, seed=9)).json()["result"] == "violate"
        until = time.monotonic() + 30
        while not busy.isdisjoint(p.pid for p in decode_workers(CPU_SECONDS)):
            assert time.monotonic() < until, "a time-out did not free the worker"
            time.sleep(0.05)


def test_photo_over_the_deadline_is_answered_with_the_reason(shop: Shop) -> None:
    with serving(shop, decode_seconds=0.15) as served:
        answer = served.predict(costly_photo(), photo(BRIGHT))
    assert answer.status_code == 422
    assert answer.json()["error"]["reason"] == "too_costly"
