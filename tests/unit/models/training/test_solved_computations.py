"""What the card says of other computations, from logits of held-out photos."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.models.bound_state import KEPT_REVIEW_SHARE, SOLVED, find_bound_state
from ml.models.card import Int8Variant, RefusedInt8, Thresholds
from ml.models.checkpoint import INT8, QuantizedNetwork
from ml.models.evaluation.calibration import solve_threshold
from ml.models.evaluation.held_out_labels import hold_out
from ml.models.inference.backend import Logits
from ml.models.predictor import apply_temperature
from ml.models.training.other_computations import OtherComputations
from ml.models.training.pipeline import Evaluation, calibrate
from ml.models.training.solved_computations import count_agreements, solve_int8_variant
from tests.unit.models.training.pictures import POLICY

CLASSES = ("normal", "violate")
PHOTOS = 2000


def _logits(seed: int = 0) -> tuple[Logits, np.ndarray]:  # type: ignore[type-arg]  # labels
    rng = np.random.default_rng(seed)
    labels = (rng.random(PHOTOS) < 0.3).astype(np.int64)
    margin = np.where(labels == 1, 4.0, -4.0) + rng.normal(0.0, 2.0, len(labels))
    return np.stack([-margin, margin], axis=1).astype(np.float32), labels


LOGITS, LABELS = _logits()
NOISE = np.random.default_rng(1).normal(0.0, 0.05, LOGITS.shape).astype(np.float32)
WEIGHTS = np.ones(PHOTOS)


def _evaluation() -> Evaluation:
    calibration = calibrate(LOGITS.astype(np.float64), LABELS)
    probabilities = apply_temperature(LOGITS, calibration.temperature)
    bound = POLICY.retraining.leak_bound
    thresholds = solve_threshold(
        hold_out(probabilities[:, 1], LABELS == 1, WEIGHTS),
        rate=bound.rate,
        confidence=bound.confidence,
        default=0.7,
    )
    return Evaluation(
        probabilities,
        LABELS,
        split="out_of_fold",
        calibration=calibration,
        thresholds=thresholds,
        classes=CLASSES,
        policy=POLICY,
    )


def _solve(
    logits: Logits,
    folder: Path,
    *,
    every: int = 1,
    version: Evaluation | None = None,
) -> Int8Variant | RefusedInt8 | None:
    rows = np.arange(0, PHOTOS, every)
    others = OtherComputations(
        int8=QuantizedNetwork(b"graph", b"weights"),
        int8_logits=logits[rows],
        int8_rows=rows,
        int8_probe=logits[:8],
        calibration_photos=300,
    )
    return solve_int8_variant(
        others,
        version or _evaluation(),
        folder,
        weights=WEIGHTS,
        groups=np.arange(PHOTOS),
    )


def test_temperature_and_threshold_are_solved_on_the_variants_own_scores(tmp_path: Path) -> None:
    variant = _solve(3 * LOGITS + NOISE, tmp_path)
    assert isinstance(variant, Int8Variant)
    version = _evaluation()
    assert variant.calibration.temperature == pytest.approx(
        3 * version.calibration.temperature, rel=0.01
    )
    assert variant.thresholds.source.startswith(SOLVED)
    assert variant.thresholds.evidence
    assert variant.thresholds.evidence.photos == PHOTOS
    assert all((tmp_path / name).is_file() for name in INT8)
    assert abs(variant.comparison["area_difference"]) < 0.001
    assert variant.comparison["variant_review_share"] == pytest.approx(
        variant.thresholds.evidence.review_rate
    )


def test_variant_may_have_logits_of_some_photos_only(tmp_path: Path) -> None:
    variant = _solve(LOGITS + NOISE, tmp_path, every=2)
    assert isinstance(variant, Int8Variant)
    assert variant.thresholds.evidence
    assert variant.thresholds.evidence.photos == PHOTOS // 2


def test_variant_reviews_no_less_than_a_version_whose_bound_is_not_met(tmp_path: Path) -> None:
    labels = np.random.default_rng(2).integers(0, 2, PHOTOS)  # no score predicts them
    version = replace(
        _evaluation(),
        labels=labels,
        thresholds=Thresholds(pass_confidence=0.93, source=f"{KEPT_REVIEW_SHARE}: ..."),
    )
    variant = _solve(LOGITS, tmp_path, version=version)
    assert isinstance(variant, Int8Variant)
    assert find_bound_state(variant.thresholds.model_dump()) == "not_met"
    assert variant.comparison["variant_review_share"] >= variant.comparison["review_share"]


@pytest.mark.parametrize("noise", [3.0, 40.0])
def test_worse_variant_is_refused_with_its_figures(tmp_path: Path, noise: float) -> None:
    refused = _solve(LOGITS + noise / 0.05 * NOISE, tmp_path)
    assert isinstance(refused, RefusedInt8)
    assert refused.reason == "area"
    assert refused.comparison["area_low"] < -refused.comparison["area_margin"]
    assert not (tmp_path / INT8[0]).exists()


def test_variant_without_a_threshold_of_its_own_is_refused(tmp_path: Path) -> None:
    # A few violations that only the variant takes for the most normal of all.
    logits = LOGITS.copy()
    leaked = np.flatnonzero(LABELS == 1)[:60]
    logits[leaked] = [20.0, -20.0]
    assert isinstance(_solve(logits, tmp_path), RefusedInt8)


def test_changed_verdicts_are_counted_by_computation() -> None:
    some, flipped = LOGITS[:100], LOGITS[:100].copy()
    flipped[:3] = -flipped[:3]
    compared = {
        "torch bfloat16": np.stack([flipped, some]),
        "openvino float32": np.stack([some + 1e-6, some]),
    }
    found = count_agreements(OtherComputations(compared), _evaluation())
    assert [(a.computation, a.photos, a.changed) for a in found] == [
        ("openvino float32", 100, 0),
        ("torch bfloat16", 100, 3),
    ]
