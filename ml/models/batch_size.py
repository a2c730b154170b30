"""Find the batch size of a run on a GPU: the smallest that is nearly as fast as the best.

A run finds it once, at its start, and all its shards use it (`ml.storage.audit_runs`). A CPU is as
fast with few photos as with many.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice

import structlog
import torch

from ml.core.computation import Computation
from ml.core.errors import ComputationUnavailable
from ml.core.settings import Settings
from ml.models.checkpoint import Checkpoint
from ml.models.load_check import make_test_pictures
from ml.models.predictor import Predictor

log = structlog.get_logger()

SIZES = (32, 64, 128, 256, 512, 1024)
# Of the best speed. A larger batch takes more memory, and more photos are lost with a killed task.
MAX_LOSS = 0.05
MIN_BATCHES, MIN_SECONDS = 4, 0.3  # of each measurement


def choose_batch_size(
    load: Callable[[], Checkpoint],
    computation: Computation,
    *,
    settings: Settings,
    device: torch.device,
) -> int:
    """The setting, or where torch computes on a GPU and it is not set, what a measurement finds.

    `load` loads the version, which only the measurement needs.

    Raises:
        ComputationUnavailable: the GPU has too little memory for the smallest size.
    """
    is_set = "batch_size" in settings.model_fields_set
    if is_set or device.type != "cuda" or computation.backend != "torch":
        return settings.batch_size
    measure = partial(measure_speed, load(), computation, device)
    with _half_of_free_memory(device):
        return find_batch_size(measure)


def find_batch_size(measure: Callable[[int], float], sizes: Sequence[int] = SIZES) -> int:
    """The smallest size, in ascending order, whose speed is close to the best.

    `measure` returns the photos per second of a size.

    Raises:
        ComputationUnavailable: `measure` raised it for the smallest size. For another one it ends
            the measurement.
    """
    speeds: dict[int, float] = {}
    for size in sizes:
        try:
            speeds[size] = measure(size)
        except ComputationUnavailable:
            if not speeds:
                raise
            break
    log.info("photos per second by batch size", **{str(n): round(s) for n, s in speeds.items()})
    best = max(speeds.values())
    return next(size for size, speed in speeds.items() if speed >= (1 - MAX_LOSS) * best)


def measure_speed(
    checkpoint: Checkpoint, computation: Computation, device: torch.device, batch_size: int
) -> float:
    """Photos per second of full batches, from prepared photos to scores.

    Raises:
        ComputationUnavailable: the device cannot compute batches of this size.
    """
    predictor = Predictor(checkpoint, device=device, batch_size=batch_size, computation=computation)
    pictures = make_test_pictures(checkpoint.card.preprocessing.crop)
    photos = list(islice(cycle(pictures), MIN_BATCHES * batch_size))
    predictor.logits(photos)  # the first batches are slower
    measured, began = 0, time.perf_counter()
    while (seconds := time.perf_counter() - began) < MIN_SECONDS or not measured:
        predictor.logits(photos)
        measured += len(photos)
    return measured / seconds


@contextmanager
def _half_of_free_memory(device: torch.device) -> Iterator[None]:
    """Let torch take half of the free memory at most: a shadow and other shards need some, too."""
    with torch.cuda.device(device):
        free, total = torch.cuda.mem_get_info()
        max_bytes = torch.cuda.memory_reserved() + free // 2
        torch.cuda.set_per_process_memory_fraction(max_bytes / total)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
