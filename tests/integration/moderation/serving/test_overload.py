"""Overload: 429 and 503 with Retry-After; accepted requests are answered correctly."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from ml.storage.api_keys import ApiKeyScope
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.serving import SECONDS, RunningService, multipart_files, new_key, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

QUEUE, OF_KEY, SENT = 6, 4, 24


def send(served: RunningService, token: str, number: int) -> tuple[int, httpx.Response]:
    level = (BRIGHT, DARK)[number % 2]
    with served.client(token) as client:
        return number, client.post("/predict", files=multipart_files(photo(level, seed=number)))


def wait_until_done(sent: list[Future[tuple[int, httpx.Response]]], number: int) -> None:
    deadline = time.monotonic() + SECONDS
    while sum(future.done() for future in sent) < number and time.monotonic() < deadline:
        time.sleep(0.05)


def refused(answers: list[tuple[int, httpx.Response]]) -> list[httpx.Response]:
    return [answer for _, answer in answers if answer.status_code != 200]


def test_full_service_rejects_new_requests_and_answers_accepted_ones(shop: Shop) -> None:
    gate = threading.Event()
    with (
        serving(
            shop, serve_queue_images=QUEUE, serve_in_flight=OF_KEY, serve_max_images=2
        ) as served,
        ThreadPoolExecutor(SENT) as pool,
    ):
        second = new_key(shop, "second", ApiKeyScope.PREDICT)
        while send(served, second, 0)[1].status_code == 401:
            time.sleep(0.1)
        # The model is blocked until the event is set.
        served.service.pools.forward.submit(gate.wait, SECONDS)
        half = SENT // 2
        sent = [pool.submit(send, served, served.token, n) for n in range(half)]
        wait_until_done(sent, half - OF_KEY)  # this key has reached its limit
        sent += [pool.submit(send, served, second, n) for n in range(half, SENT)]
        wait_until_done(sent, SENT - QUEUE)  # now the service has, too
        held = served.service.load.images
        gate.set()
        answers = [future.result() for future in sent]
        after = served.predict(photo(BRIGHT))
    assert held == QUEUE
    statuses = [answer.status_code for _, answer in answers]
    assert statuses.count(200) == QUEUE
    assert set(statuses) == {200, 429, 503}
    for answer in refused(answers):
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["error"]["reason"] in ("too_many_in_flight", "queue_full")
    for number, answer in answers:
        if answer.status_code == 200:
            assert answer.json()["result"] == ("normal", "violate")[number % 2]
    assert after.json()["result"] == "normal"


def test_request_over_its_timeout_is_503_and_releases_its_photos(shop: Shop) -> None:
    gate = threading.Event()
    with serving(shop, serve_request_timeout_seconds=1.0) as served:
        served.service.pools.forward.submit(gate.wait, SECONDS)
        slow = served.predict(photo(BRIGHT))
        assert served.service.load.images == 0
        gate.set()
    assert slow.status_code == 503
    assert slow.json()["error"]["reason"] == "too_slow"
    assert "Retry-After" in slow.headers


def test_bytes_of_all_requests_are_limited(shop: Shop) -> None:
    limits = {"serve_max_inflight_bytes": 40_000, "serve_max_body_bytes": 30_000}
    with serving(shop, **limits) as served:
        with served.service.load.reserve_bytes() as reserve:
            reserve(39_000)
            full = served.predict(photo(BRIGHT, size=(160, 120)))
        free = served.predict(photo(BRIGHT, size=(160, 120)))
    assert (full.status_code, full.json()["error"]["reason"]) == (503, "overloaded")
    assert free.status_code == 200
