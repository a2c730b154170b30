"""Assign photos to folds: class and category keep their shares, groups are not divided."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from ml.core.errors import TrainingError

Ints = npt.NDArray[np.int64]

FOLDS = 6  # a multiple of the parts that trainings of all layers leave out
MIN_FOLDS = 3


def assign_folds(
    labels: Sequence[str],
    categories: Sequence[str],
    groups: Sequence[int],
    *,
    seed: int,
    folds: int = FOLDS,
) -> Ints:
    """The fold of each photo, (N,), from 0 on.

    Near-duplicates share a group number: in two folds, one would reveal the label of the other.
    There are `folds`, or as many as the class with the fewest distinct photos fills.

    Raises:
        TrainingError: a class has too few distinct photos to hold some out.
    """
    distinct = {
        name: len({g for g, label in zip(groups, labels, strict=True) if label == name})
        for name in sorted(set(labels))
    }
    rarest = min(distinct, key=lambda name: distinct[name])
    folds = min(folds, distinct[rarest])
    if folds < MIN_FOLDS:
        raise TrainingError(
            f"class `{rarest}` has {folds} photos that are not near-identical; at least "
            f"{MIN_FOLDS} are needed to hold some out: add different ones"
        )
    strata = _build_strata(labels, categories, min_photos=folds)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    assigned = np.empty(len(labels), np.int64)
    for number, (_, held_out) in enumerate(splitter.split(strata, strata, groups)):
        assigned[held_out] = number
    return assigned


def _build_strata(
    labels: Sequence[str], categories: Sequence[str], *, min_photos: int
) -> list[str]:
    """Class and category of each photo; a rare category counts as the largest of its class."""
    pairs = list(zip(labels, categories, strict=True))
    photos = Counter(pairs)
    most_frequent = {
        name: max((p for p in photos if p[0] == name), key=lambda p: (photos[p], p))
        for name in set(labels)
    }
    merged = (p if photos[p] >= min_photos else most_frequent[p[0]] for p in pairs)
    return ["/".join(p) for p in merged]
