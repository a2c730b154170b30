"""Dynamic batching: photos of several requests share a forward pass."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Batcher(Generic[A, B]):
    """Collects items while the previous batch is computed; used in one event loop.

    A forward pass costs the same for any number of photos, so a batch that is not full waits while
    more photos are being prepared: at most as long as the last forward pass took, or `wait_seconds`
    if that is longer. If none are being prepared, it starts at once. Items whose caller was
    cancelled are dropped.

    `work` maps a batch of up to `size` items to their results, in order, and runs in `executor`.
    `coming` returns the number of items that are being prepared; `on_batch` gets each batch's size.
    """

    def __init__(
        self,
        work: Callable[[Sequence[A]], Sequence[B]],
        *,
        size: int,
        wait_seconds: float,
        executor: Executor,
        coming: Callable[[], int] = lambda: 0,
        on_batch: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._work, self._executor = work, executor
        self._size, self._wait_seconds = size, wait_seconds
        self._coming, self._on_batch = coming, on_batch
        self._waiting: deque[tuple[A, asyncio.Future[B]]] = deque()
        self._changed = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._last_seconds = 0.0

    async def submit(self, item: A) -> B:
        """Return the result of one item; raises what `work` raised for its batch."""
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self.changed()
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await future

    def changed(self) -> None:
        """Re-evaluate whether to wait: an item arrived, or an expected one was rejected."""
        self._changed.set()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._wait_for_more()
                await self._compute(self._next_batch())
        finally:
            self._draining = None

    async def _wait_for_more(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(self._wait_seconds, self._last_seconds)):
                while len(self._waiting) < self._size and self._coming() > 0:
                    self._changed.clear()
                    await self._changed.wait()

    def _next_batch(self) -> list[tuple[A, asyncio.Future[B]]]:
        batch: list[tuple[A, asyncio.Future[B]]] = []
        while self._waiting and len(batch) < self._size:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        return batch

    async def _compute(self, batch: list[tuple[A, asyncio.Future[B]]]) -> None:
        if not batch:
            return
        self._on_batch(len(batch))
        items = [item for item, _ in batch]
        loop, start = asyncio.get_running_loop(), time.monotonic()
        try:
            results = await loop.run_in_executor(self._executor, self._work, items)
        except Exception as error:  # noqa: BLE001 - it is re-raised in each caller
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        self._last_seconds = time.monotonic() - start
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
