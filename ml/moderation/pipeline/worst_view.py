"""A photo is judged by its worst view: the one whose violation classes are likeliest in sum."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ml.core.types import ScreenResult
from ml.models.predictor import Prediction, Scores
from ml.vision.screens.views import NAME


def worst_views(
    scores: Sequence[Scores], counts: Sequence[int], violations: Collection[str]
) -> list[int]:
    """The row of each photo's worst view, of photos with so many views one after the other."""
    names = sorted(violations)  # the order decides the rounding of a sum
    summed = np.array([sum(each[name] for name in names) for each in scores])
    return [start + int(summed[start:end].argmax()) for start, end in _ranges(counts)]


def of_worst_views(
    prediction: Prediction, counts: Sequence[int], violations: Collection[str]
) -> tuple[Prediction, list[int]]:
    """One row for each photo, and the number of that view in its photo."""
    if all(count == 1 for count in counts):
        return prediction, [0] * len(counts)
    rows = worst_views(prediction.scores, counts, violations)
    features = None if prediction.features is None else prediction.features[rows]
    numbers = [row - start for row, (start, _) in zip(rows, _ranges(counts), strict=True)]
    return Prediction([prediction.scores[row] for row in rows], features), numbers


def add_worst(screens: Mapping[str, ScreenResult], number: int) -> dict[str, ScreenResult]:
    """The results with the worst view in the evidence of `views`, if the photo has several."""
    found = screens.get(NAME)
    if found is None:
        return dict(screens)
    return {**screens, NAME: replace(found, evidence=found.evidence | {"worst": number})}


def _ranges(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(counts).tolist()
    return zip([0, *ends[:-1]], ends, strict=True)
