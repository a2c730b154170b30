"""The side of a worker process: answers one request at a time until its socket is closed.

Started by `ml.core.worker_process.WorkerProcess` as `python -m MODULE`, where MODULE calls `serve`.
"""

import mmap
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from ml.core.message_channel import Message, MessageChannel

READY: Message = {"ready": True}


# Maps a request, its bytes and the shared output buffer to the result.
Work = Callable[[Message, bytes, memoryview], Message]


def serve(make_work: Callable[[str], Work], output_bytes: int) -> None:
    """Answer requests; `make_work` makes the work of a configuration, once for each.

    The last `output_bytes` of the shared memory are for results. Work that takes more than the
    processor seconds of the command line ends the process by SIGPROF: no code has to cooperate,
    and time in which other programs use the processor does not count.
    """
    descriptor, memory, size = (int(argument) for argument in sys.argv[1:4])
    cpu_seconds = float(sys.argv[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which closes the socket
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    records = _capture_log()
    work: Work | None = None
    with (
        mmap.mmap(memory, size) as shared,
        memoryview(shared)[size - output_bytes :] as output,
        socket.socket(fileno=descriptor) as end,
    ):
        channel = _Channel(end)
        channel.tell(READY)
        while (request := channel.receive()) is not None:
            if "config" in request:
                work = make_work(request.pop("config"))
            if work is None:
                raise RuntimeError("the first request has no configuration")
            with _limited(cpu_seconds):
                result = work(request, shared[: request["bytes"]], output)
            channel.tell({"result": result, "log": records.copy()})
            records.clear()


class _Channel:
    """Messages to and from the caller, without whom this process ends."""

    def __init__(self, end: socket.socket) -> None:
        self._messages = MessageChannel(end)

    def receive(self) -> Message | None:
        """The next message; None if the caller has closed its end, or died."""
        try:
            return self._messages.receive()
        except (EOFError, OSError):
            return None

    def tell(self, message: Message) -> None:
        try:
            self._messages.send(message)
        except OSError:
            sys.exit(0)  # nobody waits for the result


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
