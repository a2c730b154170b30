"""What the parts of one service share: settings, connections, thread pools and metrics."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection

from ml.core.concurrency import ContextThreadPoolExecutor
from ml.core.settings import Settings
from ml.moderation.pipeline.decode_pool import decode_pool
from ml.moderation.serving.metrics import Metrics, MetricsStageTimer
from ml.storage.connections import Connections
from ml.storage.database import in_transaction

T = TypeVar("T")

_DATABASE_THREADS = 4  # the number of connections that the engine keeps
DATABASE_SECONDS = 5.0  # of retries within one request


class Executors:
    """One pool per kind of work, so that a slow bucket or database does not block decoding.

    Log lines of their threads have the request's id.
    """

    def __init__(self, settings: Settings) -> None:
        self.fetch = ContextThreadPoolExecutor(settings.fetch_threads, "fetch")
        # Each thread waits for a decode worker.
        self.decode = ContextThreadPoolExecutor(decode_pool(settings).max_processes, "decode")
        self.forward = ThreadPoolExecutor(1, "forward")  # for photos of several requests
        self.database = ContextThreadPoolExecutor(_DATABASE_THREADS, "database")
        self.follow = ContextThreadPoolExecutor(2, "follow")  # one thread polls, one loads

    def close(self) -> None:
        """Cancel pending work, and wait for threads that may use a database connection.

        The caller closes the engine next, and would leak connections that are in use.
        """
        for pool in (self.fetch, self.decode, self.forward):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self.database, self.follow):
            pool.shutdown(wait=True, cancel_futures=True)


class Resources:
    """Shared parts of one service; create them in the serving process."""

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self.settings = settings
        self.connections = connections
        self.pools = Executors(settings)
        self.metrics = Metrics()
        self.clock = MetricsStageTimer(self.metrics)

    async def query(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction; a request waits for a few seconds of retries at most."""
        engine = self.connections.engine
        return await run_in(
            self.pools.database, lambda: in_transaction(engine, work, seconds=DATABASE_SECONDS)
        )


async def run_in(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Run work in a pool and await it; if the caller is cancelled first, it does not start."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)


async def run_all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all, in order; if one fails, the others are cancelled, and its error is raised.

    The handlers of errors know the error, and not the group in which asyncio raises it.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]
