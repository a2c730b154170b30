"""A thread pool's map with bounded look-ahead: the joint between two stages of a pipeline."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def bounded_map(
    pool: Executor, work: Callable[[A], B], items: Iterable[A], *, ahead: int
) -> Generator[B]:
    """Yield work(item) in the order of `items`, at most `ahead` of them started and not yet taken.

    Order is kept so that batches are the same in every run. The bound is what keeps memory flat:
    a slow consumer stops the producers. An error of `work` is raised at its item's turn; what was
    started and not taken is then cancelled.
    """
    source = iter(items)
    started: deque[Future[B]] = deque(pool.submit(work, item) for item in islice(source, ahead))
    try:
        while started:
            result = started.popleft().result()
            started.extend(pool.submit(work, item) for item in islice(source, 1))
            yield result
    finally:
        for future in started:
            future.cancel()
