"""`python -m benchmarks.gpu --price DOLLARS_PER_HOUR`: the forward pass on a GPU, by batch size.

Prepared photos to logits, without fetching and decoding: operations one after the other, the same
as a CUDA graph, and as a nightly run computes, with the next batch copied meanwhile. A batch's
computation alone shows which share of that time the GPU is busy. Writes
`benchmarks/results/gpu.md`; without a GPU nothing is measured.
"""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from ml.core.computation import NumberType
from ml.core.errors import ComputationUnavailable
from ml.core.settings import ROOT
from ml.models.batch_size import SIZES
from ml.models.checkpoint import build_network
from ml.models.inference.backend import Pixels
from ml.models.inference.streams import CudaStream, Forward, Streams, create_streams
from ml.models.inference.torch_backend import TorchBackend, preferred_number_type
from ml.vision.images.preprocess import ARTICLE, Preprocessing

console = Console()
RESULTS = ROOT / "benchmarks" / "results" / "gpu.md"
RESIZED = {224: 256, 128: 128}  # crop -> resize, as in the presets
SECONDS, MIN_BATCHES = 1.0, 8  # of each measurement
COLUMNS = (
    "batch", "one by one", "CUDA graph", "nightly run", "computing", "memory, MiB", "per million",
)  # fmt: skip

_EXPLANATION = """\
Images/s of prepared photos to logits, without fetching and decoding: each operation started by
itself, the same as one CUDA graph, and as a nightly run computes, with the next batch copied
meanwhile. *Computing* is the share of the nightly run's time in which the GPU computes, *memory*
what torch reserved for it."""


class _PlainStream(CudaStream):
    """Starts each operation of a network by itself."""

    def prepare(self, forward: Forward, example: torch.Tensor) -> Forward:  # noqa: ARG002 - no capture
        """The function unchanged."""
        return forward


@dataclass(frozen=True)
class Row:
    """Images per second by batch size; `computing` is a share of the nightly run's time."""

    batch_size: int
    one_by_one: float
    graph: float
    nightly_run: float
    computing: float
    memory_mib: float

    def cells(self, price: float | None) -> tuple[str, ...]:
        """The cells of `COLUMNS`."""
        million = "" if price is None else f"${price / 3600 * 1e6 / self.nightly_run:.2f}"
        speeds = (self.one_by_one, self.graph, self.nightly_run)
        numbers = [f"{speed:,.0f}" for speed in speeds]
        memory = f"{self.memory_mib:,.0f}"
        return (str(self.batch_size), *numbers, f"{self.computing:.0%}", memory, million)


def main(
    price: Annotated[float | None, typer.Option(help="Of the machine, dollars an hour.")] = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = RESULTS,
) -> None:
    """Measure, print and write the tables."""
    if not torch.cuda.is_available():
        console.print("no GPU: not measured")
        return
    device = torch.device("cuda")
    number_type = preferred_number_type(device)
    about = (
        f"Written by `python -m benchmarks.gpu` on {datetime.now(UTC):%Y-%m-%d}: "
        f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, {number_type}."
    )
    lines = ["# Forward pass on a GPU", "", about, "", _EXPLANATION]
    for crop, resize in RESIZED.items():
        spec = ARTICLE.model_copy(update={"crop": crop, "resize": resize})
        lines += ["", f"## {crop} px", "", _line(COLUMNS), _line("---" for _ in COLUMNS)]
        for size in SIZES:
            try:
                row = measure(spec, size, device, number_type)
            except ComputationUnavailable as error:
                console.print(str(error))
                break
            lines.append(_line(row.cells(price)))
    page = "\n".join(lines) + "\n"
    console.print(page, markup=False)
    out.write_text(page, encoding="utf-8")


def measure(
    spec: Preprocessing, batch_size: int, device: torch.device, number_type: NumberType
) -> Row:
    """Measure one batch size; on a CPU all columns are of the same computation.

    Raises:
        ComputationUnavailable: the batch does not fit into the GPU.
    """
    plain = graph = create_streams(device)
    if device.type == "cuda":
        plain = _alone(_PlainStream(device))
        graph = _alone(CudaStream(device))

    def create(streams: Streams) -> TorchBackend:
        return TorchBackend(
            build_network(2).eval(),
            spec,
            device=device,
            number_type=number_type,
            batch_size=batch_size,
            streams=streams,
        )

    shape = (batch_size, 3, spec.crop, spec.crop)
    batch = list(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    one_by_one, with_graph = (
        _images_per_second(create(streams), batch) for streams in (plain, graph)
    )
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    nightly_run = create(create_streams(device))
    speed = _images_per_second(nightly_run, batch)
    computing = speed * _seconds_alone(nightly_run) / batch_size
    memory = torch.cuda.max_memory_reserved(device) / 2**20 if device.type == "cuda" else 0.0
    return Row(batch_size, one_by_one, with_graph, speed, computing, memory)


def _alone(stream: CudaStream) -> Streams:
    return Streams(stream, stream, buffers=1)


def _images_per_second(backend: TorchBackend, batch: list[Pixels]) -> float:
    backend.submit(batch)()  # the first batch is slower
    pending = deque([backend.submit(batch) for _ in range(backend.ahead)])
    began, batches = time.perf_counter(), 0
    while batches < MIN_BATCHES or time.perf_counter() - began < SECONDS:
        pending.append(backend.submit(batch))
        pending.popleft()()
        batches += 1
    return batches * len(batch) / (time.perf_counter() - began)


def _seconds_alone(backend: TorchBackend) -> float:
    """Seconds of the computation of a batch that is on the device."""
    buffers = backend._buffers  # noqa: SLF001 - there is no other use for this
    stream, [buffer, *_] = buffers._streams.computations, buffers._buffers  # noqa: SLF001 - as above
    compute = partial(buffers._compute, buffer)  # noqa: SLF001 - as above
    began = time.perf_counter()
    ends = [stream.run(compute) for _ in range(MIN_BATCHES)]
    ends[-1].synchronize()
    return (time.perf_counter() - began) / MIN_BATCHES


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    typer.run(main)
