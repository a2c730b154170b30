"""Shadow model: a candidate that scores the champion's photos, without effect on verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import ModelError
from ml.vision.images.decode import Decoded
from ml.vision.images.preprocess import DecodePlan, Preprocessing, prepare

if TYPE_CHECKING:
    from ml.models.predictor import Predictor, Scores

log = structlog.get_logger()
T = TypeVar("T")
Pixels = npt.NDArray[np.uint8]


@dataclass
class Shadow:
    """Scores the photos that the champion scores; disabled for the rest after its first failure."""

    predictor: Predictor
    plan: DecodePlan
    clock: StageTimer
    disabled: bool = False

    def pixels(self, data: bytes, photo: Decoded, champion: Preprocessing) -> Pixels | None:
        """Pixels (3, crop, crop) by the shadow's own card; None if it is disabled.

        `photo` are the bytes as decoded for the champion's preprocessing.
        """
        return self._guarded(lambda: self._pixels(data, photo, champion))

    def _pixels(self, data: bytes, photo: Decoded, champion: Preprocessing) -> Pixels:
        spec = self.predictor.card.preprocessing
        if spec.resize != champion.resize:
            # The scale of a decode depends on the requested size: the champion's may be too small.
            photo = self.plan.decode(data, spec)
        return prepare(self.plan.for_model(photo.image, spec), spec)

    def scores(self, pixels: Sequence[Pixels | None]) -> list[Scores | None]:
        """Scores of each photo; all None if it is disabled or pixels are missing."""
        available = [p for p in pixels if p is not None]
        if len(available) < len(pixels) or not available:
            return [None] * len(pixels)
        scored = self._guarded(lambda: self._scores(available))
        return [None] * len(pixels) if scored is None else list(scored)

    def _scores(self, pixels: Sequence[Pixels]) -> list[Scores]:
        scored = self.predictor.scores(pixels)
        if not all(math.isfinite(value) for scores in scored for value in scores.values()):
            # The database rejects NaN.
            raise ModelError("the shadow's scores are not finite: its weights are damaged")
        return scored

    def _guarded(self, work: Callable[[], T]) -> T | None:
        if self.disabled:
            return None
        try:
            with self.clock.time("shadow"):
                return work()
        except Exception as error:  # noqa: BLE001 - no error of a candidate may stop the run
            self.disabled = True
            log.warning("the shadow failed and scores no more of this shard", error=str(error))
            return None
