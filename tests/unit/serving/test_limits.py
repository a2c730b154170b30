from datetime import UTC, datetime

import pytest

from ml.errors import RequestRefused
from ml.serving.limits import KeyLimits, Load
from ml.storage.api_keys import ApiKey, Right
from tests.unit.serving.clock import Clock


def key(name: str = "a", *, per_minute: int | None = None, in_flight: int | None = None) -> ApiKey:
    rights = frozenset({Right.PREDICT})
    return ApiKey(name, name, bytes(32), rights, per_minute, in_flight, datetime.now(UTC), None)


def limits(clock: Clock) -> KeyLimits:
    return KeyLimits(requests_per_minute=60, in_flight=2, clock=clock)


def test_a_key_has_its_rate_and_is_told_when_to_come_back() -> None:
    clock = Clock()
    keys = limits(clock)
    for _ in range(10):  # ten seconds' worth at once
        with keys.enter(key()):
            pass
    with pytest.raises(RequestRefused) as refused, keys.enter(key()):
        pass
    assert (refused.value.status, refused.value.reason) == (429, "too_many_requests")
    assert refused.value.retry_after == 1.0
    clock.now += 1.0
    with keys.enter(key()):
        pass


def test_a_key_has_only_so_many_requests_at_a_time() -> None:
    keys = limits(Clock())
    with keys.enter(key()), keys.enter(key()):
        with pytest.raises(RequestRefused) as refused, keys.enter(key()):
            pass
        with keys.enter(key("b")):  # another's are its own
            pass
    assert (refused.value.status, refused.value.reason) == (429, "too_many_in_flight")
    with keys.enter(key()):
        pass


def test_a_keys_own_limits_come_before_the_defaults() -> None:
    keys = limits(Clock())
    mine = key(in_flight=1, per_minute=6)
    with keys.enter(mine), pytest.raises(RequestRefused), keys.enter(mine):
        pass
    with pytest.raises(RequestRefused) as refused, keys.enter(mine):
        pass
    assert refused.value.retry_after == pytest.approx(10.0)


def test_an_error_gives_a_place_back() -> None:
    keys = limits(Clock())
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), keys.enter(key()):
            raise ValueError("x")


def test_bytes_are_held_until_the_request_ends() -> None:
    load = Load(max_bytes=100, max_images=1)
    with load.held() as hold:
        hold(60)
        hold(40)
        with pytest.raises(RequestRefused) as refused, load.held() as other:
            other(1)
    assert (refused.value.status, refused.value.reason) == (503, "overloaded")
    assert load.bytes == 0


def test_the_queue_is_bounded_and_says_when_it_will_be_shorter() -> None:
    clock = Clock()
    load = Load(max_bytes=1, max_images=10, clock=clock)
    for _ in range(5):
        with load.taken(1):
            clock.now += 2.0
    with load.taken(10):
        with pytest.raises(RequestRefused) as refused:
            load.check()
        with pytest.raises(RequestRefused), load.taken(1):
            pass
    assert (refused.value.status, refused.value.reason) == (503, "queue_full")
    assert refused.value.retry_after == pytest.approx(10 * 8.0 / 5)
    load.check()
    assert load.images == 0
