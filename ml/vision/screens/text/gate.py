"""Text gate: which photos the expensive OCR reads.

A small network scores the likelihood of text, and a budget covers the likeliest photos.
"""

import threading
import time
from bisect import bisect_right, insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from ml.core.budget import Budget
from ml.vision.images.grayscale import Gray, fix_short_side

if TYPE_CHECKING:
    import onnxruntime  # type: ignore[import-untyped]

SHORT_SIDE = 224
STRIDE = 8  # pixels per side of one cell
CELLS = 12  # number of likeliest cells whose mean is the photo's logit: a short word
WEIGHTS = Path(__file__).with_name("text_gate.onnx")

EXPECTED_SECONDS = 0.3  # of OCR per photo, until some were measured: 0.2 to 0.64 s of a core
_EXPECTATION_WEIGHT = 5  # number of measured photos that the expectation counts as


def text_likelihood(picture: Image.Image | Gray) -> float:
    """Score (0..1, not a probability) that text overlays the photo or that it is a page of text.

    A fully convolutional network of 10,000 weights gives each cell of 8 x 8 pixels a logit. It was
    trained on photos of products, half of them with text drawn over them (`python -m
    devtools.text_gate`), so it distinguishes a banner from a printed shirt or a shelf. It takes
    less than a millisecond. Thread-safe.

    Raises:
        cv2.error: the picture has no pixels.
    """
    gray = fix_short_side(picture, SHORT_SIDE).astype(np.float32) / 255 - 0.5
    cells = load_gate().run(None, {"grey": gray[None, None]})[0].ravel()
    count = min(CELLS, cells.size)
    logit = np.partition(cells, -count)[-count:].mean()
    return float(1 / (1 + np.exp(-logit)))


@cache
def load_gate() -> "onnxruntime.InferenceSession":
    """The gate's network; loaded only once."""
    import onnxruntime  # noqa: PLC0415 - a process without the text screen needs none of it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the callers' thread pool already uses all cores
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(WEIGHTS, options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class OcrCost:
    """What reading one photo took: wall-clock and CPU seconds; whether it succeeded."""

    wall_seconds: float
    cpu_seconds: float
    succeeded: bool


class OcrAdmission(Protocol):
    """Decides which photos are read, by what each one costs."""

    def admits(self, likelihood: float) -> bool:
        """Whether a photo with this text likelihood (0..1) is read; counts the photo as seen."""
        ...  # pragma: no cover - a protocol's method has no body

    def add_cost(self, cost: OcrCost) -> None:
        """Charge what reading one photo took to the budget."""
        ...  # pragma: no cover - a protocol's method has no body


@contextmanager
def charge(admission: OcrAdmission) -> Iterator[None]:
    """Charge the time of the block, in which one photo is read, even if it raises.

    CPU time of the thread: parallel to a forward pass, the wall clock shows three times as much.
    """
    start, cpu, succeeded = time.monotonic(), time.thread_time(), False
    try:
        yield
        succeeded = True
    finally:
        seconds = time.monotonic() - start, time.thread_time() - cpu
        admission.add_cost(OcrCost(*seconds, succeeded))


class OcrScheduler:
    """Spends a budget of CPU seconds on the photos with the highest likelihoods. Thread-safe."""

    def __init__(self, budget: Budget, expected_seconds: float = EXPECTED_SECONDS) -> None:
        self.budget = budget
        self._likelihoods: list[float] = []  # of all photos seen, ascending
        self._seconds = expected_seconds * _EXPECTATION_WEIGHT
        self._photos = float(_EXPECTATION_WEIGHT)
        self._lock = threading.Lock()

    def admits(self, likelihood: float) -> bool:
        """Whether the budget covers this photo and all likelier ones; counts it as seen."""
        with self._lock:
            insort(self._likelihoods, likelihood)
            # Of equal likelihoods the first are read: many photos share the maximum.
            rank = len(self._likelihoods) - bisect_right(self._likelihoods, likelihood) + 1
            affordable = self.budget.earned / (self._seconds / self._photos)
        return not self.budget.exhausted and rank <= affordable

    def add_cost(self, cost: OcrCost) -> None:
        """Charge the CPU time; that of a failure does not enter the mean cost of a photo."""
        self.budget.spend(cost.cpu_seconds)
        if cost.succeeded:
            with self._lock:
                self._seconds += cost.cpu_seconds
                self._photos += 1
