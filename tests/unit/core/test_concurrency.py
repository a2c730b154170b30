import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from ml.core.concurrency import ContextThreadPoolExecutor, StageTimer, batched, bounded_map


def test_bounded_map_keeps_the_order_of_the_items() -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    with ThreadPoolExecutor(4) as pool:
        assert list(bounded_map(pool, slow_first, range(50), ahead=8)) == [n * n for n in range(50)]


def test_bounded_map_reads_at_most_ahead_items_in_advance() -> None:
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


def test_bounded_map_raises_an_error_at_the_turn_of_its_item() -> None:
    def fail_at_three(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    with ThreadPoolExecutor(2) as pool:
        results = bounded_map(pool, fail_at_three, range(10), ahead=4)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="three"):
            next(results)


def test_closed_bounded_map_cancels_pending_work() -> None:
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
    # The second item had started when the others were cancelled.
    assert len(ran) <= 2


def test_context_pool_copies_the_submitters_log_context() -> None:
    with bound_contextvars(run_id="r", shard=3), ContextThreadPoolExecutor(2) as pool:
        seen = list(bounded_map(pool, lambda _: get_contextvars(), range(5), ahead=2))
    assert seen == [{"run_id": "r", "shard": 3}] * 5


def test_context_pool_drops_bindings_after_each_task() -> None:
    def work(n: int) -> dict[str, object]:
        found = dict(get_contextvars())
        bound_contextvars(image=n).__enter__()
        return found

    with ContextThreadPoolExecutor(1) as pool:
        assert [pool.submit(work, n).result() for n in range(3)] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("items", "size", "batches"),
    [(range(5), 2, [[0, 1], [2, 3], [4]]), (range(4), 2, [[0, 1], [2, 3]]), ((), 3, [])],
)
def test_batched_yields_full_batches_and_the_rest(
    items: Iterable[int], size: int, batches: list[list[int]]
) -> None:
    assert list(batched(iter(items), size)) == batches


def test_batched_rejects_a_size_below_one() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        next(batched([1], 0))


def test_stage_timer_drains_the_seconds_of_each_stage() -> None:
    timer = StageTimer()
    timer.add("fetch", 1.5)
    timer.add("fetch", 0.25)
    with timer.time("decode"):
        pass
    drained = timer.drain()
    assert drained["fetch"] == 1.75
    assert drained["decode"] < 1.0
    assert timer.drain() == {}
