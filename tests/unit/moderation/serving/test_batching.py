"""Dynamic batching: full batches under load, no needless wait, errors stay in their batch."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from ml.moderation.serving.batching import Batcher

T = TypeVar("T")


def doubled(items: Sequence[int]) -> list[int]:
    return [2 * item for item in items]


def finished(work: Coroutine[object, object, T]) -> T:
    """Run a coroutine in a new thread: browser tests leave an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def run_all(items: int, *, size: int, coming: int = 0) -> tuple[list[int], list[int]]:
    """Results of simultaneous items, and the sizes of their batches."""
    sizes: list[int] = []

    async def run() -> list[int]:
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(
                doubled, size=size, wait_seconds=0.01, executor=pool,
                coming=lambda: coming, on_batch=sizes.append,
            )  # fmt: skip
            return list(await asyncio.gather(*(batcher.submit(n) for n in range(items))))

    return finished(run()), sizes


def test_batcher_returns_each_callers_own_result() -> None:
    results, sizes = run_all(10, size=4)
    assert results == [2 * n for n in range(10)]
    assert sum(sizes) == 10
    assert max(sizes) <= 4


def test_batcher_limits_the_wait_for_expected_items() -> None:
    results, _ = run_all(3, size=8, coming=1)
    assert results == [0, 2, 4]


def test_batcher_starts_at_once_with_nothing_expected() -> None:
    async def run() -> int:
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(doubled, size=8, wait_seconds=3600, executor=pool)
            return await asyncio.wait_for(batcher.submit(1), 60)

    assert finished(run()) == 2


def test_batcher_waits_for_expected_items() -> None:
    coming, sizes = [1], []

    async def run() -> list[int]:
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(
                doubled, size=8, wait_seconds=3600, executor=pool,
                coming=lambda: coming[0], on_batch=sizes.append,
            )  # fmt: skip
            first = asyncio.create_task(batcher.submit(1))
            await asyncio.sleep(0.01)
            coming[0] = 0
            return list(await asyncio.gather(first, batcher.submit(2)))

    assert finished(run()) == [2, 4]
    assert sizes == [2]


def test_batcher_raises_an_error_in_its_own_batch_only() -> None:
    def broken(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("13")
        return doubled(items)

    async def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(broken, size=4, wait_seconds=0, executor=pool)
            with pytest.raises(ValueError, match="13"):
                await batcher.submit(13)
            assert await batcher.submit(1) == 2

    finished(run())


def test_batcher_drops_cancelled_items() -> None:
    seen: list[int] = []
    gate = threading.Event()

    def slow(items: Sequence[int]) -> list[int]:
        gate.wait(60)
        seen.extend(items)
        return doubled(items)

    async def run() -> int:
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(slow, size=1, wait_seconds=0, executor=pool)
            first = asyncio.create_task(batcher.submit(1))
            given_up = asyncio.create_task(batcher.submit(2))
            last = asyncio.create_task(batcher.submit(3))
            await asyncio.sleep(0.01)
            given_up.cancel()
            await asyncio.sleep(0)
            gate.set()
            await first
            return await last

    assert finished(run()) == 6
    assert seen == [1, 3]
