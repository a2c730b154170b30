"""The side of a worker process: answers one request at a time until the pipe is closed.

Started by `ml.core.worker_process.WorkerProcess` as `python -m MODULE`, where MODULE calls `serve`.
"""

import json
import mmap
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Protocol

import structlog

Message = dict[str, Any]
READY: Message = {"ready": True}


class Caller(Protocol):
    """What the work of a request may use while it runs."""

    def ask(self, message: Message) -> Message:
        """Send a message to the caller and return its answer."""
        ...  # pragma: no cover - a protocol's method has no body

    def tell(self, message: Message) -> None:
        """Send a message that has no answer."""
        ...  # pragma: no cover - a protocol's method has no body


# Maps a request, its bytes and the shared output buffer to the result.
Work = Callable[[Message, bytes, memoryview, Caller], Message]


def serve(make_work: Callable[[str], Work], output_bytes: int) -> None:
    """Answer requests; `make_work` makes the work of a configuration, once for each.

    The last `output_bytes` of the shared memory are for results. Work that takes more than the
    processor seconds of the command line ends the process by SIGPROF: no code has to cooperate,
    and time in which other programs use the processor does not count.
    """
    pipe, memory, size = (int(argument) for argument in sys.argv[1:4])
    cpu_seconds = float(sys.argv[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the pipe
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    records = _capture_log()
    work: Work | None = None
    with (
        mmap.mmap(memory, size) as shared,
        memoryview(shared)[size - output_bytes :] as output,
        Connection(pipe) as connection,
    ):
        channel = _Channel(connection)
        channel.tell(READY)
        while (request := channel.receive()) is not None:
            if "config" in request:
                work = make_work(request.pop("config"))
            if work is None:
                raise RuntimeError("the first request has no configuration")
            with _limited(cpu_seconds):
                result = work(request, shared[: request["bytes"]], output, channel)
            channel.tell({"result": result, "log": records.copy()})
            records.clear()


class _Channel:
    """JSON messages over the pipe to the caller; no pickle."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receive(self) -> Message | None:
        """The next message; None if the caller has closed the pipe, or died."""
        try:
            message: Message = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            return None
        return message

    def tell(self, message: Message) -> None:
        try:
            self._connection.send_bytes(json.dumps(message, default=str).encode())
        except OSError:
            sys.exit(0)  # nobody waits for the result

    def ask(self, message: Message) -> Message:
        self.tell(message)
        answer = self.receive()
        if answer is None:
            sys.exit(0)
        return answer


@contextmanager
def _limited(cpu_seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _capture_log() -> list[Message]:
    """Collect log records for the caller, whose context (run, shard, photo) they lack here."""
    records: list[Message] = []

    def collect(_logger: object, method: str, event: structlog.typing.EventDict) -> str:
        records.append({"method": method, **event})
        raise structlog.DropEvent

    structlog.configure(processors=[collect])
    return records
