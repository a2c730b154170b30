"""Work for a decode worker: tried again if the worker ends, until the photo is at fault."""

from collections.abc import Callable, Sequence
from threading import Event
from typing import TypeVar

import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import WorkerDied
from ml.core.message_channel import Message
from ml.core.settings import Settings
from ml.core.worker_pool import PooledWorker, WorkerPool
from ml.core.worker_process import WorkerProcess
from ml.moderation.pipeline.decode_pool import check_workers

log = structlog.get_logger()

T = TypeVar("T")


class DecodeTries:
    """The decode workers of a run, with one configuration. Thread-safe.

    A photo that takes `slow_seconds` leaves its place to the next one; None: once it is overdue.
    `charge` gets the processor seconds of each piece of work.
    """

    def __init__(
        self,
        pool: WorkerPool,
        config: str,
        settings: Settings,
        clock: StageTimer,
        *,
        slow_seconds: float | None,
        charge: Callable[[float], None],
    ) -> None:
        self.pool = pool
        self._config, self._settings, self._clock = config, settings, clock
        self._slow_seconds, self._charge = slow_seconds, charge

    def run(
        self,
        request: Message,
        data: bytes,
        take: Callable[[WorkerProcess, Message], T],
        *,
        cancelled: Event | None = None,
        on_overdue: Callable[[], None] = lambda: None,
    ) -> T:
        """Have a worker do a request, and `take` its result while the worker's output is there.

        A photo whose worker ended gets one more try, in a fresh one, or two if the worker was
        killed from outside; after `cancelled` is set it gets none. `on_overdue` is called when
        another photo may take its place.

        Raises:
            WorkerDied: at each try.
            WorkerFailed: no worker starts, or a fresh one ends on a flawless photo, too.
        """
        deaths: list[WorkerDied] = []
        while len(deaths) < _max_tries(deaths):
            try:
                with self.pool.worker(fresh=bool(deaths)) as worker:
                    result = self._run(worker, request, data, cancelled, on_overdue)
                    return take(worker.process, result)
            except WorkerDied as error:
                deaths.append(error)
                if cancelled is not None and cancelled.is_set():
                    raise _failed(deaths) from error
                log.warning("a photo's decode worker ended", tries=len(deaths), error=str(error))
        check_workers(self._settings)
        raise _failed(deaths)

    def _run(
        self,
        worker: PooledWorker,
        request: Message,
        data: bytes,
        cancelled: Event | None,
        on_overdue: Callable[[], None],
    ) -> Message:
        def mark_overdue() -> None:
            worker.mark_overdue()
            on_overdue()

        slow = self._slow_seconds
        result = worker.process.run(
            self._config,
            request,
            data,
            on_overdue=mark_overdue,
            on_slow=(slow, worker.leave_place) if slow is not None else None,
            cancelled=cancelled,
        )
        self._charge(result["cpu_seconds"])
        for stage, seconds in result["seconds"].items():
            self._clock.add(stage, seconds)
        return result


def was_killed(death: WorkerDied) -> bool:
    """Whether something else than the work ended the worker."""
    return death.signal_name in ("SIGKILL", "SIGTERM") and not death.overtime


def _max_tries(deaths: Sequence[WorkerDied]) -> int:
    """Two; three if the worker was killed from outside, perhaps for another process's memory."""
    return 3 if all(was_killed(death) for death in deaths) else 2


def _failed(deaths: Sequence[WorkerDied]) -> WorkerDied:
    last = deaths[-1]
    detail = f"{len(deaths)} tries, {last}"
    return WorkerDied(detail, signal_name=last.signal_name, overtime=last.overtime)
