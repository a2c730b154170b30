"""Stratified split into training and validation photos, by groups of near-duplicates."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from ml.core.errors import TrainingError

Ints = npt.NDArray[np.int64]


def split(
    labels: Sequence[str],
    categories: Sequence[str],
    groups: Sequence[int],
    *,
    share: float,
    seed: int,
) -> tuple[Ints, Ints]:
    """Split photos so that class and category keep their shares and no group is divided.

    Near-duplicates in both splits would leak training photos into validation.

    Args:
        labels: class of each photo.
        categories: finer category of each photo; one with too few photos for its own stratum is
            merged into the most frequent one of its class.
        groups: group number of each photo; near-duplicates share one.
        share: part for validation, 0.05..0.5; rounded to 1/n with an integer n.
        seed: of the shuffle.

    Returns:
        Indices (train, validation), each ascending; every photo is in exactly one.

    Raises:
        TrainingError: a class has too few distinct photos to be in both splits.
    """
    folds = round(1 / share)
    for name in sorted(set(labels)):
        distinct = len({g for g, label in zip(groups, labels, strict=True) if label == name})
        if distinct < folds:
            raise TrainingError(
                f"class `{name}` has {distinct} photos that are not near-identical; "
                f"at least {folds} are needed to hold out {share:.0%}: add different ones"
            )
    strata = _build_strata(labels, categories, min_photos=folds)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    train, validation = next(splitter.split(strata, strata, groups))
    _check_classes_in_both(labels, train, validation)
    return train, validation


def _build_strata(
    labels: Sequence[str], categories: Sequence[str], *, min_photos: int
) -> list[str]:
    pairs = list(zip(labels, categories, strict=True))
    photos = Counter(pairs)
    most_frequent = {
        name: max((p for p in photos if p[0] == name), key=lambda p: (photos[p], p))
        for name in set(labels)
    }
    merged = (p if photos[p] >= min_photos else most_frequent[p[0]] for p in pairs)
    return ["/".join(p) for p in merged]


def _check_classes_in_both(labels: Sequence[str], train: Ints, validation: Ints) -> None:
    for name, indices in (("training", train), ("validation", validation)):
        missing = set(labels) - {labels[i] for i in indices}
        if missing:
            raise TrainingError(
                f"no photo of {', '.join(sorted(missing))} is left for {name}: nearly all of them "
                "are near-identical; add different ones"
            )
