"""Which photos are trained on and which measure the result."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from ml.errors import TrainingError

Ints = npt.NDArray[np.int64]


def split(
    labels: Sequence[str],
    categories: Sequence[str],
    groups: Sequence[int],
    *,
    share: float,
    seed: int,
) -> tuple[Ints, Ints]:
    """Split photos so that class and category keep their shares and no group is torn apart.

    Near-identical photos on both sides would let the network be measured on what it has seen.

    Args:
        labels: class of each photo.
        categories: finer category of each photo; one with too few photos for its own share is
            counted with the commonest of its class.
        groups: photos of one number are near-identical and stay together.
        share: part for validation, 0.05..0.5; met as nearly as 1/n with a whole n can.
        seed: which of the possible splits.

    Returns:
        Indices (train, validation), each ascending, together every photo once.

    Raises:
        TrainingError: a class has too few unlike photos to stand on both sides.
    """
    folds = round(1 / share)
    for name in sorted(set(labels)):
        unlike = len({g for g, label in zip(groups, labels, strict=True) if label == name})
        if unlike < folds:
            raise TrainingError(
                f"class `{name}` has {unlike} photos that are not near-identical; "
                f"at least {folds} are needed to hold out {share:.0%}: add different ones"
            )
    strata = _strata(labels, categories, fewest=folds)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    train, validation = next(splitter.split(strata, strata, groups))
    _check_both_sides(labels, train, validation)
    return train, validation


def _strata(labels: Sequence[str], categories: Sequence[str], *, fewest: int) -> list[str]:
    pairs = list(zip(labels, categories, strict=True))
    photos = Counter(pairs)
    commonest = {
        name: max((p for p in photos if p[0] == name), key=lambda p: (photos[p], p))
        for name in set(labels)
    }
    kept = (p if photos[p] >= fewest else commonest[p[0]] for p in pairs)
    return ["/".join(p) for p in kept]


def _check_both_sides(labels: Sequence[str], train: Ints, validation: Ints) -> None:
    for side, indices in (("training", train), ("validation", validation)):
        absent = set(labels) - {labels[i] for i in indices}
        if absent:
            raise TrainingError(
                f"no photo of {', '.join(sorted(absent))} is left for {side}: nearly all of them "
                "are near-identical; add different ones"
            )
