"""Streams and threads: bounded map, places, stage timer, threads with context variables."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from itertools import islice
from queue import Empty, SimpleQueue
from typing import ParamSpec, TypeVar

A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")


def batched(items: Iterable[A], size: int) -> Iterator[list[A]]:
    """Yield lists of `size` items; the last one may be shorter (`itertools.batched` of 3.12).

    Raises:
        ValueError: `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"a batch needs at least one item, not {size}")
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def bounded_map(
    pool: Executor, work: Callable[[A], B], items: Iterable[A], *, ahead: int
) -> Generator[B]:
    """Yield work(item) in the order of `items`; at most `ahead` results are pending at a time.

    The order is kept so that batches are the same in every run. The bound keeps memory flat: a slow
    consumer stops the producers. An error of `work` is raised when its item's turn comes; pending
    work is then cancelled.
    """
    return bounded_results(lambda item: pool.submit(work, item), items, ahead=ahead)


def bounded_results(
    submit: Callable[[A], Future[B]], items: Iterable[A], *, ahead: int
) -> Generator[B]:
    """`bounded_map` of whatever `submit` starts."""
    source = iter(items)
    started: deque[Future[B]] = deque(map(submit, islice(source, ahead)))
    try:
        while started:
            result = started.popleft().result()
            started.extend(map(submit, islice(source, 1)))
            yield result
    finally:
        for future in started:
            future.cancel()


class Places:
    """A semaphore; that of `threading` waits several times for the interpreter's lock."""

    def __init__(self, number: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(number):
            self._free.put(None)

    def take(self) -> "Place":
        """Wait for a place."""
        self._free.get()
        return Place(self._free)

    def take_free(self) -> "Place | None":
        """A place; None if all are taken."""
        try:
            self._free.get_nowait()
        except Empty:
            return None
        return Place(self._free)


class Place:
    """One place, held until the end of a block, or until it is given back before that."""

    def __init__(self, free: SimpleQueue[None]) -> None:
        self._free, self.is_held = free, True

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give it back."""
        if self.is_held:
            self.is_held = False
            self._free.put(None)


class StageTimer:
    """Sums the seconds that each stage of a pipeline worked. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the seconds spent in the block to a stage."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.add(stage, time.monotonic() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage."""
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def drain(self) -> dict[str, float]:
        """Return the seconds of each stage since the last call, and reset them to zero."""
        with self._lock:
            drained, self._seconds = self._seconds, {}
        return {stage: round(seconds, 4) for stage, seconds in drained.items()}


class ContextThreadPoolExecutor(ThreadPoolExecutor):
    """Thread pool that runs each task in a copy of its submitter's context (PEP 567).

    Without it, log lines of the threads would name neither run nor shard.
    """

    def submit(self, fn: Callable[P, B], /, *args: P.args, **kwargs: P.kwargs) -> Future[B]:
        """See `ThreadPoolExecutor.submit`."""
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))
