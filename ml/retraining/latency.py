"""How long versions take for a photo, measured side by side."""

import time
from collections.abc import Sequence
from itertools import cycle, islice
from statistics import median

import numpy as np
import numpy.typing as npt

from ml.inference.predictor import Predictor

Pixels = npt.NDArray[np.uint8]

# The first forwards choose kernels and grow memory pools.
WARM_UP_ROUNDS = 2
ROUNDS = 9


def milliseconds_a_photo(
    predictors: Sequence[Predictor], pixels: Sequence[Sequence[Pixels]], *, batch: int
) -> list[float]:
    """Median milliseconds a photo of `Predictor.scores` on one full batch, a number a version.

    The versions take turns, each first in every other round: what else the machine does at the
    time slows both.

    Args:
        predictors: the versions.
        pixels: some prepared photos of each version, at least one; repeated to fill the batch.
        batch: photos a call.
    """
    batches = [list(islice(cycle(photos), batch)) for photos in pixels]
    seconds: list[list[float]] = [[] for _ in predictors]
    order = list(range(len(predictors)))
    for number in range(WARM_UP_ROUNDS + ROUNDS):
        for v in order:
            start = time.perf_counter()
            predictors[v].scores(batches[v])
            if number >= WARM_UP_ROUNDS:
                seconds[v].append(time.perf_counter() - start)
        order.reverse()
    return [1000 * median(taken) / batch for taken in seconds]
