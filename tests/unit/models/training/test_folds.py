from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.core.errors import TrainingError
from ml.models.training.folds import FOLDS, assign_folds


@settings(deadline=None, max_examples=40)
@given(groups=st.lists(st.integers(0, 60), min_size=60, max_size=150), seed=st.integers(0, 2**31))
def test_every_fold_has_both_classes_and_no_group_is_divided(groups: list[int], seed: int) -> None:
    groups = [*groups, *range(100, 140)]  # enough unlike photos of both classes
    labels = ["violate" if g % 4 == 0 else "normal" for g in groups]
    folds = assign_folds(labels, labels, groups, seed=seed)
    assert set(folds) == set(range(FOLDS))
    assert len(set(zip(groups, folds, strict=True))) == len(set(groups))
    assert len(set(zip(labels, folds, strict=True))) == 2 * FOLDS


def test_folds_have_the_shares_of_classes_and_categories() -> None:
    labels = ["normal"] * 600 + ["violate"] * 240
    categories = [""] * 600 + ["qr"] * 180 + ["weapon"] * 60
    folds = assign_folds(labels, categories, list(range(840)), seed=0)
    counts = Counter(zip(categories, folds, strict=True))
    for category, photos in (("", 100), ("qr", 30), ("weapon", 10)):
        assert {counts[category, fold] for fold in range(FOLDS)} == {photos}


def test_rare_category_is_merged_into_its_class() -> None:
    labels = ["normal"] * 60 + ["violate"] * 24
    categories = [""] * 60 + ["qr"] * 22 + ["odd", "one"]
    folds = assign_folds(labels, categories, list(range(84)), seed=0)
    counts = Counter(zip(labels, folds, strict=True))
    assert {counts["violate", fold] for fold in range(FOLDS)} == {4}


def test_seed_determines_the_folds() -> None:
    labels = ["normal", "violate"] * 50
    first, again, other = (
        assign_folds(labels, labels, list(range(100)), seed=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_class_with_few_distinct_photos_has_fewer_folds_or_is_rejected() -> None:
    labels = ["normal"] * 50 + ["violate"] * 50
    groups = [*range(50), *([99] * 47), 100, 101, 102]
    assert set(assign_folds(labels, labels, groups, seed=0)) == {0, 1, 2, 3}
    with pytest.raises(TrainingError, match=r"`violate` has 2 photos.*at least 3"):
        assign_folds(labels, labels, [min(g, 100) for g in groups], seed=0)
