import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml.inference.bounded import bounded_map


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_the_order_of_the_items_is_kept(pool: ThreadPoolExecutor) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (5 - item % 5))
        return item * 10

    assert list(bounded_map(pool, work, range(20), ahead=7)) == [i * 10 for i in range(20)]


def test_no_items_give_no_results(pool: ThreadPoolExecutor) -> None:
    assert list(bounded_map(pool, str, [], ahead=3)) == []


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_never_more_than_ahead_are_started_and_not_taken(
    ahead: int, pool: ThreadPoolExecutor
) -> None:
    started: list[int] = []

    def source() -> Iterator[int]:
        for item in range(20):
            started.append(item)
            yield item

    results = bounded_map(pool, str, source(), ahead=ahead)
    assert started == []
    for taken, _ in enumerate(results, start=1):
        assert len(started) == min(20, taken + ahead)


def test_an_error_comes_at_its_items_turn(pool: ThreadPoolExecutor) -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("item 2")
        return item

    results = bounded_map(pool, work, range(5), ahead=5)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="item 2"):
        next(results)


def test_closed_early_what_waits_is_cancelled() -> None:
    release, ran = threading.Event(), set()

    def work(item: int) -> int:
        ran.add(item)
        if item:
            release.wait(10)
        return item

    with ThreadPoolExecutor(1) as one:
        results = bounded_map(one, work, range(9), ahead=5)
        assert next(results) == 0
        results.close()
        release.set()
    assert ran <= {0, 1}
