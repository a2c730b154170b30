"""A variant is compared with its version photo by photo."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.models.evaluation.variant_comparison import compare_variant
from ml.policy.retraining import Int8Margins

PHOTOS = 800
RNG = np.random.default_rng(0)
VIOLATION = RNG.random(PHOTOS) < 0.3
VERSION = np.clip(np.where(VIOLATION, 0.8, 0.15) + RNG.normal(0, 0.2, PHOTOS), 0, 1)
MARGINS = Int8Margins(area_margin=0.005, leak_margin=0.01)
THRESHOLDS = {"pass_confidence": 0.7, "variant_pass_confidence": 0.8}


def test_differences_are_those_of_the_photos_themselves() -> None:
    variant = np.clip(VERSION + RNG.normal(0, 0.1, PHOTOS), 0, 1)
    found = compare_variant(VERSION, variant, VIOLATION, **THRESHOLDS)
    expected = roc_auc_score(VIOLATION, variant) - roc_auc_score(VIOLATION, VERSION)
    assert found.area_difference == pytest.approx(expected)
    assert found.area_low < found.area_difference
    passed = VERSION <= 0.3
    assert found.review_share == pytest.approx(1 - passed.mean())
    assert found.variant_review_share == pytest.approx(1 - (variant <= 0.2).mean())
    as_many = np.sort(variant)[passed.sum() - 1]
    leaks = VIOLATION[variant <= as_many].mean() - VIOLATION[passed].mean()
    assert found.leak_difference == pytest.approx(leaks, abs=1 / passed.sum())
    assert found.leak_high >= found.leak_difference


def test_same_ranking_has_no_difference_whatever_its_scale() -> None:
    found = compare_variant(VERSION, VERSION**3, VIOLATION, **THRESHOLDS)
    assert (found.area_difference, found.area_low) == (0, 0)
    assert (found.leak_difference, found.leak_high) == (0, 0)
    assert found.find_objection(MARGINS) is None


def test_worse_ranking_is_refused() -> None:
    variant = np.clip(VERSION + RNG.normal(0, 0.4, PHOTOS), 0, 1)
    found = compare_variant(VERSION, variant, VIOLATION, **THRESHOLDS)
    assert found.find_objection(MARGINS) == "area"
    tolerant = MARGINS.model_copy(update={"area_margin": 1.0})
    assert found.find_objection(tolerant) == "leak"


@pytest.mark.parametrize("kind", [True, False])
def test_photos_of_one_kind_show_nothing(kind: bool) -> None:
    found = compare_variant(VERSION, VERSION, np.full(PHOTOS, kind), **THRESHOLDS)
    assert np.isnan(found.area_low)
    assert found.find_objection(MARGINS) == "area"
    assert "area_low" not in found.as_dict()


def test_variant_without_a_threshold_has_no_review_share() -> None:
    found = compare_variant(
        VERSION, VERSION, VIOLATION, pass_confidence=0.7, variant_pass_confidence=None
    )
    assert "variant_review_share" not in found.as_dict()
