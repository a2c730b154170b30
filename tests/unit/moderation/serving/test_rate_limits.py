from datetime import UTC, datetime

import pytest

from ml.core.errors import RequestRejected
from ml.moderation.serving.rate_limits import KeyLimits, LoadLimiter
from ml.storage.api_keys import ApiKey, ApiKeyScope
from tests.support.manual_clock import ManualClock


def key(name: str = "a", *, per_minute: int | None = None, in_flight: int | None = None) -> ApiKey:
    rights = frozenset({ApiKeyScope.PREDICT})
    return ApiKey(name, name, bytes(32), rights, per_minute, in_flight, datetime.now(UTC), None)


def limits(clock: ManualClock) -> KeyLimits:
    return KeyLimits(requests_per_minute=60, in_flight=2, clock=clock)


def test_key_over_its_rate_is_429_with_retry_after() -> None:
    clock = ManualClock()
    keys = limits(clock)
    for _ in range(10):  # the burst of ten seconds
        with keys.admit(key()):
            pass
    with pytest.raises(RequestRejected) as refused, keys.admit(key()):
        pass
    assert (refused.value.status, refused.value.reason) == (429, "too_many_requests")
    assert refused.value.retry_after == 1.0
    clock.now += 1.0
    with keys.admit(key()):
        pass


def test_key_with_too_many_requests_in_flight_is_429() -> None:
    keys = limits(ManualClock())
    with keys.admit(key()), keys.admit(key()):
        with pytest.raises(RequestRejected) as refused, keys.admit(key()):
            pass
        with keys.admit(key("b")):  # keys do not share limits
            pass
    assert (refused.value.status, refused.value.reason) == (429, "too_many_in_flight")
    with keys.admit(key()):
        pass


def test_limits_of_a_key_override_the_defaults() -> None:
    keys = limits(ManualClock())
    mine = key(in_flight=1, per_minute=6)
    with keys.admit(mine), pytest.raises(RequestRejected), keys.admit(mine):
        pass
    with pytest.raises(RequestRejected) as refused, keys.admit(mine):
        pass
    assert refused.value.retry_after == pytest.approx(10.0)


def test_failed_request_is_no_longer_in_flight() -> None:
    keys = limits(ManualClock())
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), keys.admit(key()):
            raise ValueError("x")


def test_reserve_bytes_releases_at_the_end() -> None:
    load = LoadLimiter(max_bytes=100, max_images=1)
    with load.reserve_bytes() as reserve:
        reserve(60)
        reserve(40)
        with pytest.raises(RequestRejected) as refused, load.reserve_bytes() as other:
            other(1)
    assert (refused.value.status, refused.value.reason) == (503, "overloaded")
    assert load.bytes == 0


def test_reserve_images_over_the_limit_is_503_with_retry_after() -> None:
    clock = ManualClock()
    load = LoadLimiter(max_bytes=1, max_images=10, clock=clock)
    for _ in range(5):
        with load.reserve_images(1):
            clock.now += 2.0
    with load.reserve_images(10):
        with pytest.raises(RequestRejected) as refused:
            load.check()
        with pytest.raises(RequestRejected), load.reserve_images(1):
            pass
    assert (refused.value.status, refused.value.reason) == (503, "queue_full")
    assert refused.value.retry_after == pytest.approx(10 * 8.0 / 5)
    load.check()
    assert load.images == 0
