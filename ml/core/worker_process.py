"""A worker process: does one piece of work on untrusted bytes at a time, and can be killed.

A thread that decodes a hostile file cannot be stopped, and a crash of a decoder takes its whole
process along. A worker is a fresh Python process (never a fork of one that holds threads or
connections), which gets bytes and returns results through shared memory, and messages as JSON
through a socket of its own: whenever it dies, it holds no lock that another one waits for.
"""

import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Any

import structlog

from ml.core.anonymous_file import open_anonymous_file
from ml.core.errors import WorkerDied, WorkerFailed
from ml.core.message_channel import Message, MessageChannel
from ml.core.settings import ROOT
from ml.core.worker_loop import READY

log = structlog.get_logger()

# A worker that waits, for a disk or for a processor that others use, is killed after so many times
# the processor seconds that its work may take.
WALL_FACTOR = 10
START_SECONDS = 120.0
# Work that takes longer is overdue: it no longer counts against the number of workers.
OVERDUE_SECONDS = 2.0
_OVERDUE_NICENESS = 10  # then a tenth of the processor time of what it competes with
_POLL_SECONDS = 0.2  # how soon it is seen that work is overdue, or its caller waits no longer
_CLOSE_SECONDS = 5.0

# Secrets of the environment are kept from the process that decodes strangers' files.
_INHERITED = frozenset(
    {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH"}
    | {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"}
)
# One thread each: the number of workers is that of the cores.
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Call = tuple[float, Callable[[], None]]  # after so many seconds of work


class WorkerProcess:
    """One worker; used by one thread at a time.

    `module` calls `ml.core.worker_loop.serve`. The shared memory holds up to `input_bytes` of a
    request's bytes, and `output_bytes` of results. Work that takes more than `cpu_seconds` of
    processor time ends the worker.

    Raises:
        WorkerFailed: the system has no memory or no process left.
    """

    def __init__(
        self, module: str, *, input_bytes: int, output_bytes: int, cpu_seconds: float
    ) -> None:
        self._wall_seconds = WALL_FACTOR * cpu_seconds
        self._config: str | None = None
        self._ready = False
        self._output_at, size = input_bytes, input_bytes + output_bytes
        ours, theirs = socket.socketpair()
        self._channel = MessageChannel(ours, poll_seconds=_POLL_SECONDS)
        memory = open_anonymous_file(size)
        try:
            self._memory = mmap.mmap(memory, size)
            arguments = [theirs.fileno(), memory, size, cpu_seconds]
            self._process = subprocess.Popen(  # noqa: S603 - our own module; the arguments are numbers
                [sys.executable, "-m", module, *map(str, arguments)],
                pass_fds=(theirs.fileno(), memory),
                stdin=subprocess.DEVNULL,
                stdout=2,  # standard output is for the parent's results
                cwd=ROOT,
                env={k: v for k, v in os.environ.items() if k in _INHERITED} | _THREADS,
            )
        except OSError as error:
            self._channel.close()
            raise WorkerFailed(f"a worker process cannot be started: {error}") from error
        finally:
            theirs.close()
            os.close(memory)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still do something."""
        return self._process.poll() is None

    def await_start(self) -> None:
        """Wait until it is ready to work.

        Raises:
            WorkerFailed: it ends instead; start another one.
        """
        if self._ready:
            return
        message, started_at = None, time.monotonic()
        with suppress(EOFError, OSError):
            while message is None and time.monotonic() - started_at < START_SECONDS:
                message = self._channel.receive()
        self._ready = message == READY
        if not self._ready:
            self._process.kill()
            raise WorkerFailed(
                f"a worker process did not start ({_describe(self._process.wait())}): its error is "
                "in the log before this line; is there memory for one more process?"
            )

    def run(
        self,
        config: str,
        request: Message,
        data: bytes,
        *,
        on_overdue: Callable[[], None] = lambda: None,
        on_slow: Call | None = None,
        cancelled: Event | None = None,
    ) -> Message:
        """Do one piece of work; the same `config` as before costs nothing.

        `on_slow` is called after its seconds, `on_overdue` once the work is overdue. Overdue work
        is also ended when `cancelled` is set.

        Raises:
            WorkerDied: it ended; start another one.
            WorkerFailed: it never started.
        """
        self.await_start()
        self._memory[: len(data)] = data
        if config != self._config:
            request = {**request, "config": config}
            self._config = config
        self._send({**request, "bytes": len(data)})
        watch = _Watch([*filter(None, [on_slow]), (OVERDUE_SECONDS, on_overdue)], cancelled)
        message = self._receive(watch)
        _log_again(message["log"])
        result: Message = message["result"]
        return result

    def read_output(self, start: int, size: int) -> bytes:
        """A copy of a part of the last result's output."""
        start += self._output_at
        return self._memory[start : start + size]

    def lower_priority(self) -> None:
        """Let other processes go first, for the rest of its life."""
        with suppress(OSError):  # it has just ended
            niceness = os.getpriority(os.PRIO_PROCESS, self.pid) + _OVERDUE_NICENESS
            os.setpriority(os.PRIO_PROCESS, self.pid, niceness)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._release()

    def close(self) -> None:
        """End it after its work; an idle one ends at once."""
        self._channel.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._release()

    def _release(self) -> None:
        self._process.wait()
        self._channel.close()
        self._memory.close()

    def _send(self, message: Message) -> None:
        try:
            self._channel.send(message)
        except OSError as error:
            raise self._died("ended") from error

    def _receive(self, watch: "_Watch") -> Message:
        """The next message; `WorkerDied` if it takes too long, or the caller waits no longer."""
        try:
            while (message := self._channel.receive()) is None:
                self._check(watch)
        except (EOFError, OSError) as error:
            raise self._died("ended") from error
        return message

    def _check(self, watch: "_Watch") -> None:
        watch.make_due_calls()
        if watch.seconds > self._wall_seconds:
            self._process.kill()
            raise self._died(f"took {watch.seconds:.0f} s", overtime=True)
        if watch.is_cancelled():
            self._process.kill()
            raise self._died("is no longer waited for", overtime=True)

    def _died(self, what: str, *, overtime: bool = False) -> WorkerDied:
        code = self._process.wait()
        name = signal.Signals(-code).name if code < 0 else None
        detail = f"its worker process {what} ({_describe(code)})"
        return WorkerDied(detail, signal_name=name, overtime=overtime or name == "SIGPROF")


class _Watch:
    """How long a piece of work has taken, and whether its caller still waits."""

    def __init__(self, calls: list[Call], cancelled: Event | None) -> None:
        self._start, self._calls, self._cancelled = time.monotonic(), calls, cancelled

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def make_due_calls(self) -> None:
        while self._calls and self.seconds >= self._calls[0][0]:
            self._calls.pop(0)[1]()

    def is_cancelled(self) -> bool:
        return not self._calls and self._cancelled is not None and self._cancelled.is_set()


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _log_again(records: list[dict[str, Any]]) -> None:
    """Log what a worker logged, here, where the log's context says which photo it was."""
    for record in records:
        getattr(log, record.pop("method"), log.warning)(record.pop("event", ""), **record)
