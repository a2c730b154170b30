"""Streams: operations that a device carries out in order, while the caller goes on.

All that is special about CUDA is here; the rest of the backend is the same on a CPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
import torch

log = structlog.get_logger()

Forward = Callable[[torch.Tensor], torch.Tensor]

# Before a capture libraries must have chosen their kernels and created their handles.
_WARM_UP = 3


class Event(Protocol):
    """The end of an operation."""

    def synchronize(self) -> None:
        """Wait for it."""


class Stream(Protocol):
    """Carries out operations in order."""

    def run(self, operation: Callable[[], object], *, after: Event | None = None) -> Event:
        """Enqueue an operation, to begin after an event of another stream; returns its end."""
        ...  # pragma: no cover - a protocol's method has no body

    def prepare(self, forward: Forward, example: torch.Tensor) -> Forward:
        """The same function for inputs like the example, which may reuse its result's memory."""
        ...  # pragma: no cover - a protocol's method has no body


@dataclass(frozen=True)
class Streams:
    """Where batches are copied to the device and where they are computed, in so many buffers.

    A CPU with one buffer reads pixels where they were written, without a copy.
    """

    copies: Stream
    computations: Stream
    buffers: int


def create_streams(device: torch.device) -> Streams:
    """The streams of a device: on a GPU one batch is copied while another is computed."""
    if device.type != "cuda":
        stream = CallerStream()
        return Streams(stream, stream, buffers=1)
    return Streams(CudaStream(device), CudaStream(device), buffers=2)


class _Ended:
    def synchronize(self) -> None:
        """Nothing to wait for."""


class CallerStream:
    """Carries out each operation at once."""

    def run(self, operation: Callable[[], object], *, after: Event | None = None) -> Event:  # noqa: ARG002 - has ended
        """As `Stream.run`."""
        operation()
        return _Ended()

    def prepare(self, forward: Forward, example: torch.Tensor) -> Forward:  # noqa: ARG002 - for a capture
        """As `Stream.prepare`: unchanged."""
        return forward


class CudaStream:
    """A stream of a GPU; a function that it prepares is a CUDA graph."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch has no types for it

    def run(self, operation: Callable[[], object], *, after: Event | None = None) -> Event:
        """As `Stream.run`."""
        if after is not None:
            self._stream.wait_event(after)  # type: ignore[arg-type]  # from a stream of this class
        with torch.cuda.stream(self._stream):
            operation()
            # Blocking: a waiting thread that spins would take a core from the decode workers.
            event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]  # as above
            event.record()
        return event

    def prepare(self, forward: Forward, example: torch.Tensor) -> Forward:
        """As `Stream.prepare`; without a graph, and logged, where the capture fails."""
        inputs = torch.zeros_like(example)
        with torch.cuda.device(inputs.device):
            torch.cuda.synchronize()  # weights and inputs were written by another stream
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UP):
                    forward(inputs)
            try:
                return self._capture(forward, inputs)
            except torch.OutOfMemoryError:
                raise  # the next batch would fail as well, or the one of another task
            except RuntimeError as error:
                log.warning("computing without a CUDA graph", reason=str(error))
                return forward

    def _capture(self, forward: Forward, inputs: torch.Tensor) -> Forward:
        graph = torch.cuda.CUDAGraph()
        # "thread_local": in `/predict` another thread computes with the previous version meanwhile.
        mode = "thread_local"
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode=mode):
            outputs = forward(inputs)

        def replay(batch: torch.Tensor) -> torch.Tensor:
            inputs.copy_(batch)
            graph.replay()
            return outputs

        return replay
