import json
import math

import numpy as np
import pytest

from ml.models.evaluation.metrics import (
    brightness_name,
    calibration_error_by_chance,
    evaluate,
    expected_calibration_error,
    reliability_bins,
    size_name,
    slice_means,
)
from ml.policy.schema import Policy

_TITLE = {"en": "x", "zh": "x"}


def _policy(**block: float) -> Policy:
    """normal, weapon and qr; a keyword makes a class block at that confidence."""
    classes: dict[str, object] = {"normal": {"violation": False, "title": _TITLE}}
    for name in ("qr", "weapon"):
        action = {"action": "block", "block_confidence": block[name]} if name in block else {}
        classes[name] = {"violation": True, "title": _TITLE, "action": "review", **action}
    prices = {"manual_yuan_per_photo": 0.2, "machine_yuan_per_hour": 8.0}
    return Policy.model_validate({"classes": classes, "pass_confidence": 0.7, "prices": prices})


_CLASSES = ("normal", "qr", "weapon")
# truth:       normal           normal           normal           qr               qr
_ROWS = [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.3, 0.7, 0.0], [0.1, 0.9, 0.0], [0.8, 0.2, 0.0]]
_LABELS = [0, 0, 0, 1, 1]
_CATEGORIES = ["normal", "normal", "normal", "qr/code", "qr/poster"]


def _report(**changes: object) -> dict[str, object]:
    arguments: dict[str, object] = {
        "classes": _CLASSES,
        "policy": _policy(),
        "pass_confidence": 0.7,
        "categories": _CATEGORIES,
    }
    return evaluate(np.array(_ROWS), np.array(_LABELS), **{**arguments, **changes})  # type: ignore[arg-type]


def test_evaluate_accuracy_and_confusion_matrix() -> None:
    report = _report()
    # Argmax: normal, normal, qr, qr, normal -> right are 1, 2 and 4.
    assert report["accuracy"] == pytest.approx(3 / 5)
    assert report["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert report["photos"] == 5


def test_evaluate_precision_recall_and_f1_of_each_class() -> None:
    per_class = _report()["per_class"]
    # normal: 2 of 3 called normal are; 2 of 3 actual; F1 = 2/3. qr: 1 of 2, 1 of 2, 1/2.
    normal, qr = per_class["normal"], per_class["qr"]  # type: ignore[index]
    assert [normal[k] for k in ("precision", "recall", "f1")] == pytest.approx([2 / 3] * 3)
    assert [qr[k] for k in ("precision", "recall", "f1")] == pytest.approx([0.5] * 3)
    assert (normal["support"], qr["support"]) == (3, 2)


def test_evaluate_areas_under_roc_and_precision_recall_curves() -> None:
    qr = _report()["per_class"]["qr"]  # type: ignore[index]
    # qr scores: 0.9 (qr), 0.7, 0.4 (normal), 0.2 (qr), 0.1 (normal). Of 2 x 3 pairs, qr is ahead
    # in 3 + 1 = 4. Average precision: half the recall at precision 1/1, half at 2/4.
    assert qr["roc_auc"] == pytest.approx(4 / 6)
    assert qr["pr_auc"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)


def test_evaluate_reports_none_for_a_class_without_photos() -> None:
    report = _report()
    weapon = report["per_class"]["weapon"]  # type: ignore[index]
    assert weapon["support"] == 0
    assert [weapon[k] for k in ("recall", "f1", "roc_auc", "pr_auc")] == [None] * 4
    json.dumps(report, allow_nan=False)


def test_evaluate_verdicts_follow_the_policy_at_the_threshold() -> None:
    verdicts = _report()["verdicts"]
    # P(no violation) = 0.9, 0.6, 0.3, 0.1, 0.8 -> photos 1 and 5 pass; 5 is a violation.
    assert verdicts == {
        "pass_confidence": 0.7,
        "pass_rate": pytest.approx(2 / 5),
        "review_rate": pytest.approx(3 / 5),
        "block_rate": 0.0,
        "leak_rate": pytest.approx(1 / 2),
        "leaked": 1,
        "violations": 2,
    }


def test_evaluate_counts_a_blocked_photo_as_neither_passed_nor_reviewed() -> None:
    verdicts = _report(policy=_policy(qr=0.85))["verdicts"]
    # Only photo 4 (0.9) reaches 0.85.
    assert verdicts["block_rate"] == pytest.approx(1 / 5)  # type: ignore[index]
    assert verdicts["review_rate"] == pytest.approx(2 / 5)  # type: ignore[index]


def test_evaluate_leak_rate_is_none_if_nothing_passes() -> None:
    verdicts = _report(pass_confidence=1.0)["verdicts"]
    assert verdicts["leak_rate"] is None  # type: ignore[index]
    assert verdicts["leaked"] == 0  # type: ignore[index]


def test_evaluate_recall_and_pass_rate_of_each_category() -> None:
    assert _report()["per_category"] == {
        "normal": {
            "support": 3,
            "recall": pytest.approx(2 / 3),
            "passed": pytest.approx(1 / 3),
        },
        "qr/code": {"support": 1, "recall": 1.0, "passed": 0.0},
        "qr/poster": {"support": 1, "recall": 0.0, "passed": 1.0},
    }
    assert "per_category" not in _report(categories=None)


def test_evaluate_mean_negative_log_likelihood() -> None:
    # True class: 0.9, 0.6, 0.3, 0.9, 0.2.
    expected = -np.log([0.9, 0.6, 0.3, 0.9, 0.2]).mean()
    assert _report()["nll"] == pytest.approx(expected)


def test_expected_calibration_error_weights_each_bin_by_its_photos() -> None:
    rows = np.array([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.35, 0.65]])
    labels = np.array([0, 1, 0, 0])
    # 10 bins. (0.9, 1.0]: confidence 0.95, accuracy 1/2, 2 photos; (0.6, 0.7]: 0.65, 1/2, 2.
    assert reliability_bins(rows, labels, bins=10) == [
        (pytest.approx(0.65), 0.5, 2),
        (pytest.approx(0.95), 0.5, 2),
    ]
    actual = expected_calibration_error(rows, labels, bins=10)
    assert actual == pytest.approx(0.5 * 0.15 + 0.5 * 0.45)


def test_reliability_bins_put_a_confidence_on_an_edge_into_the_lower_bin() -> None:
    # Two classes at exactly 0.5, 2 bins: (0, 0.5] takes it; one at 1.0 stays in the last.
    rows = np.array([[0.5, 0.5], [1.0, 0.0], [0.75, 0.25]])
    assert [n for *_, n in reliability_bins(rows, np.array([0, 0, 0]), bins=2)] == [1, 2]


def test_calibration_error_by_chance_decreases_with_the_number_of_photos() -> None:
    rng = np.random.default_rng(1)
    high = rng.uniform(0.5, 1.0, 4000)
    probabilities = np.stack([high, 1 - high], axis=1)
    few = calibration_error_by_chance(probabilities[:85])
    many = calibration_error_by_chance(probabilities)
    assert 0.08 < few < 0.25
    assert many < 0.04
    # Labels that follow the scores stay below it nineteen times in twenty, inverted ones never.
    drawn = [(rng.random(4000) >= high).astype(np.int64) for _ in range(40)]
    over = [expected_calibration_error(probabilities, labels) > many for labels in drawn]
    assert sum(over) <= 6
    assert expected_calibration_error(probabilities, 1 - drawn[0]) > many


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [(299, 4000, "small"), (4000, 300, "medium"), (799, 900, "medium"), (800, 800, "large")],
)
def test_size_name_follows_the_short_side(width: int, height: int, name: str) -> None:
    assert size_name(width, height) == name


@pytest.mark.parametrize(
    ("luma", "name"),
    [(0, "dark"), (84.9, "dark"), (85, "middle"), (169.9, "middle"), (170, "bright")],
)
def test_brightness_name_has_fixed_limits(luma: float, name: str) -> None:
    assert brightness_name(luma) == name


def test_slice_means_are_of_each_slice_in_alphabetical_order() -> None:
    columns = {"accuracy": [True, False, True, True], "caught": [math.nan, False, True, False]}
    assert slice_means(["b", "b", "a", None], columns) == {
        "a": {"photos": 1, "accuracy": 1.0, "caught": 1.0},
        "b": {"photos": 2, "accuracy": 0.5, "caught": 0.0},
    }
    assert list(slice_means(["b", "b", "a", None], columns)) == ["a", "b"]


def test_slice_means_are_none_without_a_value() -> None:
    table = slice_means(["a"], {"accuracy": [True], "caught": [math.nan]})
    assert table == {"a": {"photos": 1, "accuracy": 1.0, "caught": None}}
    assert slice_means([None], {"accuracy": [True]}) == {}
    json.dumps(table, allow_nan=False)
