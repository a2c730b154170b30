"""`python -m benchmarks.scaling`: throughput by decode workers, without the cores for them.

Decoding and forward pass are replaced by sleeps of a given length, by default those that were
measured on a machine with fast cores and a GPU. Everything else is the nightly pipeline: fetch
threads, shared memory, sockets, batches. What limits the throughput then is its own work in the
main process, whose processor time a photo is an upper bound of the time that it holds the
interpreter's lock. The workers that sleep take processor time, too, to copy bytes and pixels, and
share the machine's cores with the main process and with other programs: the table says who used
how many.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import psutil
import structlog
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import sleeping_worker
from benchmarks.calibration import images_per_second
from benchmarks.screens_pipeline import untrained_predictor
from benchmarks.sleep_bytes import sleep_bytes
from ml.core.settings import Settings, load_settings
from ml.core.types import PendingImage
from ml.core.worker_pool import WorkerKind, WorkerPool
from ml.models.predictor import Predictor
from ml.moderation.pipeline.decode_worker import OUTPUT_BYTES
from ml.moderation.pipeline.pipeline import Pipeline
from ml.vision.images.preprocess import ARTICLE

WORKERS = (1, 2, 4, 8, 16, 32)
SECONDS = 4.0  # of each measurement, at the ideal throughput
_DEADLINE = 60.0

console = Console(width=110)


@dataclass(frozen=True)
class Point:
    """One measurement; `ideal` photos a second are what the sleeps alone allow."""

    workers: int
    photos_per_second: float
    ideal: float
    main_ms: tuple[float, float]  # user and system time of the main process, per photo
    worker_ms: float  # the same of all workers
    cores: tuple[float, float, float]  # used by the main process, the workers, and other programs


class _SleepingPredictor:
    """Stacks the batch, as the real one does, and sleeps in place of the forward pass."""

    ahead = 0

    def __init__(self, predictor: Predictor, seconds: float) -> None:
        self.card, self.batch_size = predictor.card, predictor.batch_size
        self._seconds = seconds

    def submit(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> Callable[[], list[dict[str, float]]]:
        np.stack(pixels)
        time.sleep(self._seconds * len(pixels))
        return lambda: [dict.fromkeys(self.card.classes, 0.5) for _ in pixels]


class _PhotoSource:
    """Returns the same bytes after a while, as a bucket in the same network does."""

    def __init__(self, data: bytes, seconds: float) -> None:
        self._data, self._seconds = data, seconds

    def get(
        self,
        key: str,  # noqa: ARG002 - all photos have the same bytes
        *,
        etag: str | None = None,  # noqa: ARG002 - as above
        size_bytes: int | None = None,  # noqa: ARG002 - as above
        max_bytes: int | None = None,  # noqa: ARG002 - as above
    ) -> bytes:
        time.sleep(self._seconds)
        return bytes(memoryview(self._data))


@dataclass(frozen=True)
class Lengths:
    """Seconds of each stage for one photo, and its bytes."""

    fetch: float
    decode: float
    forward: float
    size: int

    def ideal(self, workers: int, fetch_threads: int) -> float:
        """Photos a second if nothing but the sleeps took time."""
        return min(workers / self.decode, 1 / self.forward, fetch_threads / self.fetch)


def measure(workers: int, lengths: Lengths, settings: Settings) -> Point:
    """Run the pipeline with so many workers."""
    kind = WorkerKind(
        sleeping_worker.__spec__.name, settings.max_image_bytes, OUTPUT_BYTES, _DEADLINE
    )
    pool = WorkerPool(kind, size=workers)
    predictor = _SleepingPredictor(untrained_predictor(ARTICLE), lengths.forward)
    pipeline = Pipeline(
        store=_PhotoSource(sleep_bytes(lengths.decode, lengths.size), lengths.fetch),
        predictor=predictor,  # type: ignore[arg-type]  # the part of it that a pipeline uses
        violations=(),
        settings=settings,
        pool=pool,
    )
    ideal = lengths.ideal(workers, settings.fetch_threads)
    photos = max(4 * workers, int(SECONDS * ideal))
    images = [PendingImage(str(n), "", lengths.size) for n in range(photos)]
    list(pipeline.run(images[: 4 * workers]))  # the workers start
    start, before, own = time.perf_counter(), _processor_seconds(), os.times()
    for _batch in pipeline.run(images):
        pass
    seconds, after, used = time.perf_counter() - start, _processor_seconds(), os.times()
    pool.close()
    main, of_workers, others = (b - a for a, b in zip(before, after, strict=True))
    return Point(
        workers,
        photos / seconds,
        ideal,
        (1000 * (used.user - own.user) / photos, 1000 * (used.system - own.system) / photos),
        1000 * of_workers / photos,
        (main / seconds, of_workers / seconds, others / seconds),
    )


def _processor_seconds() -> tuple[float, float, float]:
    """Of this process, of its children, and of all else on this machine."""
    machine = psutil.cpu_times()
    busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
    times = [child.cpu_times() for child in psutil.Process().children()]
    main, children = time.process_time(), sum(t.user + t.system for t in times)
    return main, children, busy - main - children


def main(
    *,
    fetch_ms: Annotated[float, typer.Option(help="A read of a photo, in ms.")] = 5.0,
    decode_ms: Annotated[float, typer.Option(help="Decoding of a photo, in ms.")] = 9.0,
    forward_ms: Annotated[float, typer.Option(help="Forward pass, in ms a photo.")] = 0.3,
    size: Annotated[int, typer.Option(help="Bytes of a photo.")] = 265_000,
    workers: Annotated[list[int] | None, typer.Option(help="Decode workers; repeatable.")] = None,
) -> None:
    """Measure the throughput of the pipeline by its number of decode workers."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    lengths = Lengths(fetch_ms / 1000, decode_ms / 1000, forward_ms / 1000, size)
    settings = load_settings()
    settings = settings.model_copy(update={"fetch_threads": 32})
    points = [measure(n, lengths, settings) for n in track(workers or WORKERS, console=console)]
    table = Table(
        title=f"{fetch_ms:g} ms fetch, {decode_ms:g} ms decode, {forward_ms:g} ms forward"
    )
    columns = ("workers", "photos/s", "ideal", "share", "main ms", "workers ms", "cores used")
    for name in columns:
        table.add_column(name, justify="right")
    for point in points:
        share = point.photos_per_second / point.ideal
        table.add_row(
            str(point.workers),
            f"{point.photos_per_second:,.0f}",
            f"{point.ideal:,.0f}",
            f"{share:.0%}",
            "{:.2f} + {:.2f}".format(*point.main_ms),
            f"{point.worker_ms:.2f}",
            " + ".join(f"{cores:.1f}" for cores in point.cores),
        )
    console.print(table)
    console.print("main ms: user + system time a photo; workers ms: both together")
    console.print("cores used: main process + workers + other programs")
    console.print(f"calibration: ResNet18 at 224 px, {images_per_second():.1f} images/s")


if __name__ == "__main__":
    typer.run(main)
