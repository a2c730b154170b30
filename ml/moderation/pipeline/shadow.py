"""Shadow model: a candidate that scores the champion's photos, without effect on verdicts."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import ModelError
from ml.models.predictor import Predictor, Scores
from ml.moderation.pipeline.worst_view import worst_views
from ml.vision.images.preprocess import Preprocessing

log = structlog.get_logger()
Pixels = npt.NDArray[np.uint8]


@dataclass
class Shadow:
    """Scores the photos that the champion scores; disabled for the rest after its first failure."""

    predictor: Predictor
    violations: Collection[str]
    clock: StageTimer
    disabled: bool = False

    @property
    def preprocessing(self) -> Preprocessing:
        """By the shadow's own card."""
        return self.predictor.card.preprocessing

    def scores(self, pixels: Sequence[Pixels | None]) -> list[Scores | None]:
        """Scores of each photo's worst view; all None if it is disabled or pixels are missing.

        `pixels` (views, 3, crop, crop) are those of a photo.
        """
        available = [p for p in pixels if p is not None]
        if self.disabled or len(available) < len(pixels) or not available:
            return [None] * len(pixels)
        try:
            with self.clock.time("shadow"):
                return list(self._scores(available))
        except Exception as error:  # noqa: BLE001 - no error of a candidate may stop the run
            self.disable(str(error))
            return [None] * len(pixels)

    def disable(self, error: str) -> None:
        """Score no more photos of this shard."""
        self.disabled = True
        log.warning("the shadow failed and scores no more of this shard", error=error)

    def _scores(self, pixels: Sequence[Pixels]) -> list[Scores]:
        scored = self.predictor.scores(list(chain.from_iterable(pixels)))
        if not all(math.isfinite(value) for scores in scored for value in scores.values()):
            # The database rejects NaN.
            raise ModelError("the shadow's scores are not finite: its weights are damaged")
        rows = worst_views(scored, [len(p) for p in pixels], self.violations)
        return [scored[row] for row in rows]
