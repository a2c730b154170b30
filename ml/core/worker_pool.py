"""A pool of worker processes; the threads that use it wait for them without the lock of Python."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from threading import Lock

import structlog

from ml.core.concurrency import Place, Places
from ml.core.errors import WorkerFailed
from ml.core.worker_process import WorkerProcess

log = structlog.get_logger()

# Workers beyond the pool's size, in multiples of it, while others are overdue.
_SPARE_FACTOR = 2
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

    Work that takes long must not keep the others waiting: while it is overdue, a spare worker takes
    its place, up to `size` of them, and its own gets a lower priority. A fresh one replaces it
    afterwards, since only a superuser could raise the priority again.
    """

    def __init__(self, kind: WorkerKind, *, size: int) -> None:
        self.kind, self.size = kind, size
        self._max_idle = size
        self.max_processes = _SPARE_FACTOR * size
        self._slots, self._processes = Places(size), Places(self.max_processes)
        self._alone = Lock()
        self._idle: list[WorkerProcess] = []
        self._owner = os.getpid()

    def start(self) -> None:
        """Start workers; they load while the caller does something else."""
        while len(self._idle) < min(self.size, self._max_idle):
            self._idle.append(self.kind.start())

    def keep_spares(self) -> None:
        """Keep spare workers once they were needed: starting one takes about a second."""
        self._max_idle = self.max_processes

    @contextmanager
    def worker(self, *, fresh: bool = False) -> Iterator["PooledWorker"]:
        """Wait for a worker and use it; one that is left by an exception is killed.

        A `fresh` one has just started, and no other fresh one runs at the same time.
        """
        with (
            self._alone if fresh else nullcontext(),
            self._slots.take() as place,
            self._processes.take(),
        ):
            pooled = PooledWorker(self._take(fresh=fresh), place)
            try:
                yield pooled
            except BaseException:
                pooled.process.kill()
                raise
            if pooled.is_overdue:
                self._replace(pooled.process)
            else:
                self._keep(pooled.process)

    def close(self) -> None:
        """End the idle workers; those at work, and any later one, end when they are done."""
        self._max_idle = 0
        if os.getpid() == self._owner:  # a fork must not end its parent's workers
            while self._idle:
                self._idle.pop().close()

    def _take(self, *, fresh: bool) -> WorkerProcess:
        """A worker that has started; one that ends before is replaced, a few times."""
        for attempt in range(1, _START_ATTEMPTS + 1):
            process = (None if fresh else self._pop_idle()) or self.kind.start()
            try:
                process.await_start()
            except WorkerFailed as error:
                process.close()
                if attempt == _START_ATTEMPTS:
                    raise
                log.warning("a worker process is started again", error=str(error))
            else:
                break
        return process

    def _pop_idle(self) -> WorkerProcess | None:
        with suppress(IndexError):
            while True:
                process = self._idle.pop()
                if process.is_alive:  # the system may have killed it meanwhile
                    return process
                process.close()
        return None

    def _keep(self, process: WorkerProcess) -> None:
        if len(self._idle) < self._max_idle:
            self._idle.append(process)
        else:
            process.close()

    def _replace(self, process: WorkerProcess) -> None:
        process.close()
        if len(self._idle) < self._max_idle:
            with suppress(WorkerFailed):  # the next photo starts one, or reports why not
                self._idle.insert(0, self.kind.start())  # the last to be taken: it has to load


class PooledWorker:
    """A worker in use."""

    def __init__(self, process: WorkerProcess, place: Place) -> None:
        self.process, self.is_overdue = process, False
        self._place = place

    def leave_place(self) -> None:
        """Let a spare worker take its place."""
        self._place.release()

    def mark_overdue(self) -> None:
        """Leave the place, and the processor to others."""
        self.is_overdue = True
        self.leave_place()
        self.process.lower_priority()
