"""A second version that judges beside the champion, without effect on it."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from ml.errors import ModelError
from ml.images.decode import Decoded
from ml.images.preprocess import Preprocessing, prepare
from ml.inference.clock import StageClock
from ml.inference.predictor import Predictor, Scores
from ml.inference.scale import Scale

log = structlog.get_logger()
T = TypeVar("T")
Pixels = npt.NDArray[np.uint8]


class Shadow:
    """Scores what the champion scores; at its first failure it falls silent for good.

    Args:
        predictor: the loaded version.
        scale: how the pipeline decodes.
        clock: its seconds go to the stage "shadow".
    """

    def __init__(self, predictor: Predictor, scale: Scale, clock: StageClock) -> None:
        self._predictor = predictor
        self._scale = scale
        self._clock = clock
        self._silent = False

    def pixels(self, data: bytes, photo: Decoded, champion: Preprocessing) -> Pixels | None:
        """Pixels (3, crop, crop) by the shadow's own card; None once it is silent.

        Args:
            data: the photo's bytes.
            photo: as it was decoded for the champion.
            champion: the preprocessing it was decoded for.
        """
        return self._guarded(lambda: self._pixels(data, photo, champion))

    def _pixels(self, data: bytes, photo: Decoded, champion: Preprocessing) -> Pixels:
        spec = self._predictor.card.preprocessing
        if spec.resize != champion.resize:
            # The scale of a decode follows the size wanted: the champion's may be too small.
            photo = self._scale.decode(data, spec)
        return prepare(self._scale.for_model(photo.image, spec), spec)

    def scores(self, pixels: Sequence[Pixels | None]) -> list[Scores | None]:
        """Scores of each photo; None throughout once it is silent."""
        there = [p for p in pixels if p is not None]
        if len(there) < len(pixels) or not there:
            return [None] * len(pixels)
        scored = self._guarded(lambda: _finite(self._predictor.scores(there)))
        return [None] * len(pixels) if scored is None else list(scored)

    def _guarded(self, work: Callable[[], T]) -> T | None:
        if self._silent:
            return None
        try:
            with self._clock.time("shadow"):
                return work()
        except Exception as error:  # noqa: BLE001 - whatever a candidate does, the night goes on
            self._silent = True
            log.warning("the shadow failed and judges no more of this shard", error=str(error))
            return None


def _finite(scored: list[Scores]) -> list[Scores]:
    """The scores as they are: the database takes no NaN, and must not find one of a candidate."""
    if not all(math.isfinite(value) for scores in scored for value in scores.values()):
        raise ModelError("the shadow's scores are no numbers: its weights are damaged")
    return scored
