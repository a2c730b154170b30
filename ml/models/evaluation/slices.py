"""Metrics of model versions on slices of the photos: by category, route, size, brightness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
SliceRow = dict[str, float | int | None]

# Short side in pixels: thumbnails and screenshots, images from messengers, camera photos.
SMALL, LARGE = 300, 800
# Thirds of 0..255. Fixed, not terciles of a run's photos: a slice means the same in every run.
DARK, BRIGHT = 85, 170


@dataclass(frozen=True)
class SliceScores:
    """Per photo, (N,): whether a version predicted the true class, and whether it let it pass."""

    correct: Bools
    passed: Bools


def size_name(width: int, height: int) -> str:
    """`small`, `medium` or `large`, by the short side in pixels."""
    short = min(width, height)
    return "small" if short < SMALL else "medium" if short < LARGE else "large"


def brightness_name(luma: float) -> str:
    """`dark`, `middle` or `bright`, by the mean luma of a photo, 0..255."""
    return "dark" if luma < DARK else "middle" if luma < BRIGHT else "bright"


def slice_table(
    groups: Mapping[str, Sequence[str | None]],
    *,
    violation: Bools,
    candidate: SliceScores,
    champion: SliceScores | None,
) -> dict[str, dict[str, SliceRow]]:
    """Compute the metrics of each slice of each grouping.

    Args:
        groups: grouping -> name of each photo's slice; None excludes the photo from the grouping.
        violation: (N,), whether the label is a violation.
        candidate: its scores on the photos.
        champion: its scores on the photos; None if there is no champion.

    Returns:
        Grouping -> slice -> number of photos, and per version its accuracy and the share of
        violations that it did not let pass ("caught"; None if the slice has no violations).
    """
    table: dict[str, dict[str, SliceRow]] = {}
    for grouping, names in groups.items():
        column = np.asarray(names, dtype=object)
        table[grouping] = {
            name: _row(column == name, violation, candidate, champion)
            for name in sorted({n for n in names if n is not None})
        }
    return table


def _row(
    in_slice: Bools, violation: Bools, candidate: SliceScores, champion: SliceScores | None
) -> SliceRow:
    violations = in_slice & violation
    row: SliceRow = {"photos": int(in_slice.sum())}
    for model, scores in (("candidate", candidate), ("champion", champion)):
        row[f"{model}_accuracy"] = None if scores is None else _share(scores.correct[in_slice])
        row[f"{model}_caught"] = None if scores is None else _share(~scores.passed[violations])
    return row


def _share(flags: Bools) -> float | None:
    return float(flags.mean()) if flags.size else None
