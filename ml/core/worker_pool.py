"""A pool of worker processes; the threads that use it wait for them without the lock of Python."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock

import structlog

from ml.core.errors import WorkerFailed
from ml.core.worker_process import WorkerProcess

log = structlog.get_logger()

# Workers beyond the pool's size, in multiples of it, while others are overdue.
_SPARE_FACTOR = 2
_LOWEST_PRIORITY = 19
_START_ATTEMPTS = 3


@dataclass(frozen=True)
class WorkerKind:
    """The arguments of a `WorkerProcess`."""

    module: str
    input_bytes: int
    output_bytes: int
    cpu_seconds: float

    def start(self) -> WorkerProcess:
        """Start a process of this kind."""
        return WorkerProcess(
            self.module,
            input_bytes=self.input_bytes,
            output_bytes=self.output_bytes,
            cpu_seconds=self.cpu_seconds,
        )


class WorkerPool:
    """Up to `size` workers, started when they are needed and kept. Thread-safe.

    Work that takes long must not keep the others waiting: while it is overdue, it has the lowest
    priority and a spare worker takes its place, up to `size` of them.
    """

    def __init__(self, kind: WorkerKind, *, size: int) -> None:
        self.kind, self.size = kind, size
        self.max_processes = _SPARE_FACTOR * size
        self._processes = BoundedSemaphore(self.max_processes)
        self._slots = BoundedSemaphore(size)
        self._alone = Lock()
        self._idle: list[WorkerProcess] = []
        self._owner = os.getpid()

    @contextmanager
    def worker(self, *, fresh: bool = False) -> Iterator["PooledWorker"]:
        """Wait for a worker and use it; one that is left by an exception is killed.

        A `fresh` one has just started, and no other fresh one runs at the same time.
        """
        with self._alone if fresh else nullcontext(), self._processes:
            self._slots.acquire()
            pooled = PooledWorker(self._take(fresh=fresh), self._slots)
            try:
                yield pooled
            except BaseException:
                pooled.process.kill()
                raise
            else:
                self._keep(pooled)
            finally:
                pooled.release_slot()

    def close(self) -> None:
        """End the idle workers; those at work end when they are done."""
        self.size = 0
        if os.getpid() == self._owner:  # a fork must not end its parent's workers
            while self._idle:
                self._idle.pop().close()

    def _take(self, *, fresh: bool) -> WorkerProcess:
        with suppress(IndexError):
            while not fresh:
                process = self._idle.pop()
                if process.is_alive:  # the system may have killed it meanwhile
                    return process
                process.close()
        return self._start()

    def _start(self) -> WorkerProcess:
        for _ in range(_START_ATTEMPTS - 1):
            process = self.kind.start()
            try:
                process.await_start()
            except WorkerFailed as error:
                process.close()
                log.warning("a worker process is started again", error=str(error))
            else:
                return process
        return self.kind.start()

    def _keep(self, pooled: "PooledWorker") -> None:
        # An overdue one keeps its priority: the right to raise it again is the superuser's.
        if pooled.overdue or len(self._idle) >= self.size:
            pooled.process.close()
        else:
            self._idle.append(pooled.process)


class PooledWorker:
    """A worker in use, with its place in the pool."""

    def __init__(self, process: WorkerProcess, slots: BoundedSemaphore) -> None:
        self.process, self.overdue = process, False
        self._slots, self._holds_slot = slots, True

    def mark_overdue(self) -> None:
        """Let a spare worker take the place of this one."""
        self.overdue = True
        with suppress(OSError):  # it has just ended
            os.setpriority(os.PRIO_PROCESS, self.process.pid, _LOWEST_PRIORITY)
        self.release_slot()

    def release_slot(self) -> None:
        """Give the place back; again is fine."""
        if self._holds_slot:
            self._holds_slot = False
            self._slots.release()
