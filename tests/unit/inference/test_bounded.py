"""The joint of the pipeline: order, bound, errors, and a clean end."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from ml.inference.bounded import bounded_map


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    with ThreadPoolExecutor(4) as pool:
        assert list(bounded_map(pool, slow_first, range(50), ahead=8)) == [n * n for n in range(50)]


def test_no_more_than_the_bound_are_taken_before_they_are_wanted() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for n in range(100):
            taken = n + 1
            yield n

    with (
        ThreadPoolExecutor(4) as pool,
        closing(bounded_map(pool, abs, items(), ahead=5)) as results,
    ):
        next(results)
        assert taken <= 6


def test_an_error_comes_at_its_item_s_turn() -> None:
    def fail_at_three(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    with ThreadPoolExecutor(2) as pool:
        results = bounded_map(pool, fail_at_three, range(10), ahead=4)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="three"):
            next(results)


def test_left_early_what_waits_is_cancelled() -> None:
    allowed, ran = threading.Semaphore(0), []

    def wait(n: int) -> None:
        allowed.acquire(timeout=5)
        ran.append(n)

    with ThreadPoolExecutor(1) as pool:
        results = bounded_map(pool, wait, range(10), ahead=10)
        allowed.release()
        next(results)
        results.close()
        allowed.release(10)
    # The second had begun when the rest was cancelled.
    assert len(ran) <= 2
