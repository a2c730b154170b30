"""Buffers of batches: while one is computed, the next one is filled and copied to the device.

Each batch is written into pinned memory, which the device reads by itself. A buffer is filled again
once its last batch has been computed and the logits are kept.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import torch

from ml.models.inference.backend import Logits, Pixels, fill_batch
from ml.models.inference.streams import Event, Forward, Streams


class BatchBuffers:
    """Computes batches of one shape (size, 3, crop, crop), in order; used by one thread at a time.

    `forward` maps such a batch on the device to its outputs (size, columns).
    """

    def __init__(
        self,
        forward: Forward,
        shape: Sequence[int],
        *,
        columns: int,
        device: torch.device,
        streams: Streams,
    ) -> None:
        self._streams = streams
        is_copied = streams.buffers > 1 or device.type != "cpu"
        self._buffers = deque(
            _Buffer(shape, columns, device, is_copied=is_copied) for _ in range(streams.buffers)
        )
        self._forward = streams.computations.prepare(forward, self._buffers[0].on_device)

    def submit(self, photos: Sequence[Pixels]) -> Callable[[], Logits]:
        """As `InferenceBackend.submit`."""
        buffer = self._buffers[0]
        self._buffers.rotate(-1)
        if buffer.pending is not None:
            buffer.pending.wait()
        fill_batch(buffer.pixels.numpy(), photos)
        copied = self._streams.copies.run(buffer.copy)
        compute = partial(self._compute, buffer)
        computed = self._streams.computations.run(compute, after=copied)
        buffer.pending = _PendingLogits(buffer.logits[: len(photos)], computed)
        return buffer.pending.wait

    def _compute(self, buffer: "_Buffer") -> None:
        with torch.inference_mode():
            buffer.logits.copy_(self._forward(buffer.on_device), non_blocking=True)


class _Buffer:
    """The pixels of a batch here and on the device, and its logits."""

    def __init__(
        self, shape: Sequence[int], columns: int, device: torch.device, *, is_copied: bool
    ) -> None:
        pinned = device.type == "cuda"
        self.pixels = torch.zeros(*shape, dtype=torch.uint8, pin_memory=pinned)
        self.on_device = torch.zeros_like(self.pixels, device=device) if is_copied else self.pixels
        self.logits = torch.zeros(shape[0], columns, pin_memory=pinned)
        self.pending: _PendingLogits | None = None

    def copy(self) -> None:
        """Copy the pixels to the device."""
        self.on_device.copy_(self.pixels, non_blocking=True)


class _PendingLogits:
    """Logits that are being computed; copied from their buffer once they are known."""

    def __init__(self, logits: torch.Tensor, computed: Event) -> None:
        self._logits, self._computed = logits, computed
        self._copy: Logits | None = None

    def wait(self) -> Logits:
        """Wait for them."""
        if self._copy is None:
            self._computed.synchronize()
            self._copy = self._logits.numpy().copy()
        return self._copy
