"""How versions do on parts of the photos: by category, route, size, brightness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
SliceRow = dict[str, float | int | None]

# Short side in pixels: thumbnails and screenshots, pictures sent on by messengers, camera photos.
SMALL, LARGE = 300, 800
# Thirds of 0..255. Fixed, not terciles of the month's photos: a slice means the same every month.
DARK, BRIGHT = 85, 170


@dataclass(frozen=True)
class Judgement:
    """What a version made of N photos: named the true class, let it pass."""

    right: Bools
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
    candidate: Judgement,
    champion: Judgement | None,
) -> dict[str, dict[str, SliceRow]]:
    """Measure each slice of each grouping.

    Args:
        groups: grouping -> name of each photo's slice; None leaves the photo out of the grouping.
        violation: (N,), whether people call the photo a violation.
        candidate: what it made of the photos.
        champion: the same; without one there are no figures of it.

    Returns:
        Grouping -> slice -> photos, and per version its accuracy and the share of violations that
        it did not let pass ("caught"; None where the slice holds none).
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
    chosen: Bools, violation: Bools, candidate: Judgement, champion: Judgement | None
) -> SliceRow:
    bad = chosen & violation
    row: SliceRow = {"photos": int(chosen.sum())}
    for who, judgement in (("candidate", candidate), ("champion", champion)):
        row[f"{who}_accuracy"] = None if judgement is None else _share(judgement.right[chosen])
        row[f"{who}_caught"] = None if judgement is None else _share(~judgement.passed[bad])
    return row


def _share(flags: Bools) -> float | None:
    return float(flags.mean()) if flags.size else None
