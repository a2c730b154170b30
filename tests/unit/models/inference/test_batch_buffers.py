"""Double buffering: whatever is slower, each batch gets its own logits."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch

from ml.models.inference.backend import Logits, Pixels
from ml.models.inference.batch_buffers import BatchBuffers
from ml.models.inference.streams import CallerStream, Event, Streams, create_streams
from tests.support.delayed_streams import DelayedStream, delayed_streams

CPU = torch.device("cpu")
SIZE, SIDE = 4, 8
# The copies, the computations, or neither is slower; the caller is always the fastest.
SPEEDS = [(0.02, 0.0), (0.0, 0.02), (0.01, 0.01)]


def _sums(batch: torch.Tensor) -> torch.Tensor:
    """Two logits that tell every batch from every other."""
    pixels = batch.to(torch.float32).flatten(1)
    return torch.stack([pixels.sum(1), pixels[:, 0]], dim=1)


def _buffers(streams: Streams) -> BatchBuffers:
    return BatchBuffers(_sums, (SIZE, 3, SIDE, SIDE), columns=2, device=CPU, streams=streams)


def _batches(count: int) -> list[list[Pixels]]:
    """Batches of 1 to 4 photos, no two alike."""
    generator = np.random.default_rng(0)
    return [
        list(generator.integers(0, 256, (1 + i % SIZE, 3, SIDE, SIDE), dtype=np.uint8))
        for i in range(count)
    ]


def _expected(batch: Sequence[Pixels]) -> Logits:
    return _sums(torch.from_numpy(np.stack(batch))).numpy()


@pytest.mark.parametrize(("copy", "compute"), SPEEDS)
def test_batches_submitted_ahead_get_their_own_logits(copy: float, compute: float) -> None:
    buffers, batches = _buffers(delayed_streams(copy=copy, compute=compute)), _batches(9)
    pending = buffers.submit(batches[0])
    for last, batch in pairwise(batches):
        following = buffers.submit(batch)
        np.testing.assert_array_equal(pending(), _expected(last))
        pending = following
    np.testing.assert_array_equal(pending(), _expected(batches[-1]))


@pytest.mark.parametrize(("copy", "compute"), SPEEDS)
def test_logits_are_kept_until_they_are_taken(copy: float, compute: float) -> None:
    # More batches than buffers, and the results in any order, twice.
    buffers, batches = _buffers(delayed_streams(copy=copy, compute=compute)), _batches(7)
    pending = [buffers.submit(batch) for batch in batches]
    for i in (6, 0, 3, 1, 5, 2, 4, 0):
        np.testing.assert_array_equal(pending[i](), _expected(batches[i]))


@pytest.mark.parametrize("buffers", [1, 2])
def test_caller_stream_computes_the_same_at_once(buffers: int) -> None:
    here = CallerStream()
    both, batches = _buffers(Streams(here, here, buffers)), _batches(5)
    pending = [both.submit(batch) for batch in batches]
    for wait, batch in zip(pending, batches, strict=True):
        np.testing.assert_array_equal(wait(), _expected(batch))


def test_photos_of_an_earlier_batch_are_not_computed_again() -> None:
    seen: list[torch.Tensor] = []

    def forward(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch.clone())
        return _sums(batch)

    buffers = BatchBuffers(
        forward, (SIZE, 3, SIDE, SIDE), columns=2, device=CPU, streams=create_streams(CPU)
    )
    full, single = _batches(4)[3], _batches(1)[0]
    buffers.submit(full)()
    buffers.submit(single)()
    assert seen[1][1:].eq(0).all()


class _NoEnd:
    """An event that is reached before its operation."""

    def synchronize(self) -> None:
        pass


class _Careless(DelayedStream):
    """Says at once that an operation has ended, as if nobody waited for it."""

    def run(self, operation: Callable[[], object], *, after: Event | None = None) -> Event:
        super().run(operation, after=after)
        return _NoEnd()


@pytest.mark.parametrize("careless", ["copies", "computations"])
def test_delayed_streams_show_a_missing_wait(careless: str) -> None:
    # The check of the checks above: without either event, buffers are read or written too early.
    streams = {
        name: _Careless(0.05) if name == careless else DelayedStream(0.0)
        for name in ("copies", "computations")
    }
    buffers = _buffers(Streams(streams["copies"], streams["computations"], buffers=2))
    batches = _batches(6)
    pending = [buffers.submit(batch) for batch in batches]
    results = [(wait(), _expected(batch)) for wait, batch in zip(pending, batches, strict=True)]
    assert not all(np.array_equal(found, expected) for found, expected in results)
