"""The threads of the service, by what they wait for."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ml.settings import Settings

T = TypeVar("T")

_DATABASE_THREADS = 4  # as many as the engine keeps connections


class Pools:
    """One pool a kind of work, so that a slow bucket or database does not stop decoding."""

    def __init__(self, settings: Settings) -> None:
        self.fetch = ThreadPoolExecutor(settings.fetch_threads, "fetch")
        self.decode = ThreadPoolExecutor(settings.decode_threads, "decode")
        self.forward = ThreadPoolExecutor(1, "forward")
        self.database = ThreadPoolExecutor(_DATABASE_THREADS, "database")
        self.follow = ThreadPoolExecutor(2, "follow")  # polls, and loads beside them

    def close(self) -> None:
        """Drop what has not begun; what runs is not waited for."""
        for pool in (self.fetch, self.decode, self.forward, self.database, self.follow):
            pool.shutdown(wait=False, cancel_futures=True)


async def run(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Work of a thread, awaited; given up, it is not begun any more.

    Its log lines carry the request's id: a thread has no context by itself.
    """
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work))
