from ml.serving.token_bucket import TokenBucket
from tests.unit.serving.clock import Clock


def test_a_full_bucket_gives_its_capacity_and_then_says_how_long_to_wait() -> None:
    bucket = TokenBucket(2.0, 3.0, Clock())
    assert [bucket.take() for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_it_fills_by_the_clock_and_not_over_its_capacity() -> None:
    clock = Clock()
    bucket = TokenBucket(2.0, 3.0, clock)
    bucket.spend(3.0)
    clock.now += 1.0
    assert bucket.level == 2.0
    clock.now += 1000.0
    assert bucket.level == 3.0


def test_a_debt_is_paid_before_anything_is_given() -> None:
    clock = Clock()
    bucket = TokenBucket(1.0, 5.0, clock)
    bucket.spend(7.0)
    assert bucket.take() == 3.0
    clock.now += 3.0
    assert bucket.take() == 0.0


def test_without_a_rate_an_empty_bucket_stays_empty() -> None:
    bucket = TokenBucket(0.0, 0.0, Clock())
    assert bucket.take() == float("inf")
