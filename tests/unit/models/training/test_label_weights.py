import numpy as np
import pytest

from ml.models.training.head import LabelledFeatures
from ml.models.training.label_weights import (
    OWN_SHARES,
    LabelOrigins,
    LabelWeighting,
    choose_weighting,
)

RNG = np.random.default_rng(0)


def _photos(
    own: int, others: int, *, agree: bool
) -> tuple[LabelledFeatures, LabelOrigins, np.ndarray]:
    """Own labels follow one feature, those of others another one unless they `agree`."""
    features = RNG.normal(size=(own + others, 12)).astype(np.float32)
    is_own = np.arange(own + others) < own
    deciding = np.where(is_own | agree, features[:, 0], features[:, 1])
    targets = (deciding + RNG.normal(0, 0.5, own + others) > 0).astype(np.int64)
    photos = LabelledFeatures(features, targets, np.ones(own + others))
    origins = LabelOrigins(is_own, np.zeros(own + others))
    return photos, origins, np.arange(own + others) % 6


def test_own_labels_get_the_share_and_the_total_is_kept() -> None:
    is_own = np.array([True, False, False, False])
    weights = LabelWeighting(own_share=0.8).apply(
        np.array([1.0, 2.0, 3.0, 4.0]), is_own, np.zeros(4)
    )
    assert weights.sum() == pytest.approx(10.0)
    assert weights[0] == pytest.approx(8.0)
    assert weights[1:] == pytest.approx(np.array([2, 3, 4]) * 2 / 9)


def test_label_counts_half_after_its_half_life() -> None:
    ages = np.array([0.0, 180.0, 360.0])
    weights = LabelWeighting(half_life_days=180).apply(np.ones(3), np.ones(3, bool), ages)
    assert weights / weights[0] == pytest.approx([1.0, 0.5, 0.25])


def test_plain_weighting_changes_nothing() -> None:
    weights = np.array([1.0, 20.0])
    assert LabelWeighting().apply(weights, np.array([True, False]), np.ones(2)).tolist() == [1, 20]


def test_own_labels_weigh_more_where_others_contradict_them() -> None:
    photos, origins, folds = _photos(120, 480, agree=False)
    found = choose_weighting(photos, folds, origins, 2, balanced=True)
    assert found.own_share in OWN_SHARES
    assert found.own_share >= 0.8
    assert found.loss is not None
    assert found.unweighted_loss is not None
    assert found.loss < found.unweighted_loss


def test_labels_of_others_keep_their_weight_where_they_agree() -> None:
    photos, origins, folds = _photos(40, 600, agree=True)
    found = choose_weighting(photos, folds, origins, 2, balanced=True)
    assert found.own_share is None or found.own_share <= 0.65


def test_old_labels_weigh_less_where_they_contradict_new_ones() -> None:
    photos, origins, folds = _photos(300, 300, agree=False)
    ages = np.where(origins.is_own, 0.0, 900.0)
    all_own = LabelOrigins(np.ones(600, bool), ages)
    found = choose_weighting(photos, folds, all_own, 2, balanced=True)
    assert found.own_share is None
    assert found.half_life_days in {180, 360}


def test_old_labels_keep_their_weight_where_new_ones_agree_or_are_few() -> None:
    photos, origins, folds = _photos(300, 300, agree=True)
    ages = np.where(origins.is_own, 0.0, 900.0)
    all_own = LabelOrigins(np.ones(600, bool), ages)
    assert choose_weighting(photos, folds, all_own, 2, balanced=True).half_life_days is None
    photos, origins, folds = _photos(20, 300, agree=False)
    few_new = LabelOrigins(np.ones(320, bool), np.where(origins.is_own, 0.0, 900.0))
    assert choose_weighting(photos, folds, few_new, 2, balanced=True).half_life_days is None


@pytest.mark.parametrize("own", [0, 20])
def test_few_own_labels_choose_nothing(own: int) -> None:
    photos, origins, folds = _photos(own, 100, agree=False)
    assert choose_weighting(photos, folds, origins, 2, balanced=True) == LabelWeighting()
