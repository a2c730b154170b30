"""Thread pools of the service."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ml.core.settings import Settings

T = TypeVar("T")

_DATABASE_THREADS = 4  # the number of connections that the engine keeps


class Executors:
    """One pool per kind of work, so that a slow bucket or database does not block decoding."""

    def __init__(self, settings: Settings) -> None:
        self.fetch = ThreadPoolExecutor(settings.fetch_threads, "fetch")
        self.decode = ThreadPoolExecutor(settings.decode_threads, "decode")
        self.forward = ThreadPoolExecutor(1, "forward")
        self.database = ThreadPoolExecutor(_DATABASE_THREADS, "database")
        self.follow = ThreadPoolExecutor(2, "follow")  # one thread polls, one loads

    def close(self) -> None:
        """Cancel pending work, and wait for threads that may use a database connection.

        The caller closes the engine next, and would leak connections that are in use.
        """
        for pool in (self.fetch, self.decode, self.forward):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self.database, self.follow):
            pool.shutdown(wait=True, cancel_futures=True)


async def run_in(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Run work in a pool and await it; if the caller is cancelled first, it does not start.

    The work runs in a copy of the caller's context, so its log lines have the request's id.
    """
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work))
