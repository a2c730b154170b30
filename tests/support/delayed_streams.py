"""A device that is slower than its caller: streams of threads, for tests of what CUDA does."""

import threading
import time
from collections.abc import Callable
from queue import Queue

import torch

from ml.models.inference.streams import Event, Forward, Streams

_DEADLINE = 60.0


class _End:
    def __init__(self) -> None:
        self._event = threading.Event()
        self.set = self._event.set

    def synchronize(self) -> None:
        if not self._event.wait(_DEADLINE):
            raise TimeoutError("the operation never ended")


class DelayedStream:
    """Carries out operations in a thread, in order, each after a while, as late as CUDA may."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._operations: Queue[tuple[Callable[[], object], Event | None, _End]] = Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def run(self, operation: Callable[[], object], *, after: Event | None = None) -> Event:
        """As `Stream.run`."""
        end = _End()
        self._operations.put((operation, after, end))
        return end

    def prepare(self, forward: Forward, example: torch.Tensor) -> Forward:  # noqa: ARG002 - for CUDA
        """As `Stream.prepare`: as with a CUDA graph, results share memory."""
        outputs: list[torch.Tensor] = []

        def reusing(batch: torch.Tensor) -> torch.Tensor:
            found = forward(batch)
            if not outputs:
                outputs.append(torch.empty_like(found))
            return outputs[0].copy_(found)

        return reusing

    def _work(self) -> None:
        while True:
            operation, after, end = self._operations.get()
            if after is not None:
                after.synchronize()
            time.sleep(self._seconds)
            operation()
            end.set()


def delayed_streams(*, copy: float, compute: float) -> Streams:
    """Two streams and two buffers, as on a GPU; each operation begins after so many seconds."""
    return Streams(DelayedStream(copy), DelayedStream(compute), buffers=2)
