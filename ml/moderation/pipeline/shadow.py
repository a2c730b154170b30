"""Shadow model: a candidate that scores the champion's photos, without effect on verdicts."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import ModelError
from ml.models.predictor import Predictor, Scores
from ml.vision.images.decode import Decoded
from ml.vision.images.preprocess import DecodePlan, Preprocessing, prepare

log = structlog.get_logger()
T = TypeVar("T")
Pixels = npt.NDArray[np.uint8]


class Shadow:
    """Scores the photos that the champion scores; disabled for the rest after its first failure.

    Args:
        predictor: the loaded candidate.
        plan: how the pipeline decodes.
        clock: times the stage "shadow".
    """

    def __init__(self, predictor: Predictor, plan: DecodePlan, clock: StageTimer) -> None:
        self._predictor = predictor
        self._plan = plan
        self._clock = clock
        self._disabled = False

    def pixels(self, data: bytes, photo: Decoded, champion: Preprocessing) -> Pixels | None:
        """Pixels (3, crop, crop) by the shadow's own card; None if it is disabled.

        Args:
            data: the photo's bytes.
            photo: the photo, decoded for the champion.
            champion: the preprocessing that it was decoded for.
        """
        return self._guarded(lambda: self._pixels(data, photo, champion))

    def _pixels(self, data: bytes, photo: Decoded, champion: Preprocessing) -> Pixels:
        spec = self._predictor.card.preprocessing
        if spec.resize != champion.resize:
            # The scale of a decode depends on the requested size: the champion's may be too small.
            photo = self._plan.decode(data, spec)
        return prepare(self._plan.for_model(photo.image, spec), spec)

    def scores(self, pixels: Sequence[Pixels | None]) -> list[Scores | None]:
        """Scores of each photo; all None if it is disabled or pixels are missing."""
        available = [p for p in pixels if p is not None]
        if len(available) < len(pixels) or not available:
            return [None] * len(pixels)
        scored = self._guarded(lambda: _check_finite(self._predictor.scores(available)))
        return [None] * len(pixels) if scored is None else list(scored)

    def _guarded(self, work: Callable[[], T]) -> T | None:
        if self._disabled:
            return None
        try:
            with self._clock.time("shadow"):
                return work()
        except Exception as error:  # noqa: BLE001 - no error of a candidate may stop the run
            self._disabled = True
            log.warning("the shadow failed and scores no more of this shard", error=str(error))
            return None


def _check_finite(scored: list[Scores]) -> list[Scores]:
    """Return the scores unchanged; NaN is an error, because the database rejects it."""
    if not all(math.isfinite(value) for scores in scored for value in scores.values()):
        raise ModelError("the shadow's scores are not finite: its weights are damaged")
    return scored
