"""Metrics of a model version on labelled photos, as a JSON-ready report."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from ml.policy.schema import Policy
from ml.policy.verdict import Decision, decide

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ECE_BINS = 15  # as in the tables of Guo et al. 2017, arXiv:1706.04599


def evaluate(
    probabilities: Floats,
    labels: Ints,
    *,
    classes: Sequence[str],
    policy: Policy,
    pass_confidence: float,
    categories: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Compute the metrics of calibrated probabilities against the labels.

    Args:
        probabilities: (N, C), rows summing to 1, columns in the order of `classes`.
        labels: (N,), index of the true class; at least one.
        classes: names of the classes; those of the policy.
        policy: determines the verdicts.
        pass_confidence: the threshold of the version, 0..1.
        categories: finer category of each photo ("violate/qr"); None omits the categories.

    Returns:
        Numbers, lists and dicts only; shares are 0..1; undefined values (the recall of a class
        without photos, the leak rate where nothing passed) are None.
    """
    predicted = probabilities.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, labels=range(len(classes)))
    report = {
        "photos": len(labels),
        "accuracy": _share(predicted == labels),
        "classes": list(classes),
        "confusion": matrix.tolist(),  # rows: truth, columns: prediction
        "per_class": _per_class(probabilities, labels, classes),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "calibration_error_by_chance": calibration_error_by_chance(probabilities),
        "nll": _mean_nll(probabilities, labels),
        "verdicts": _verdicts(probabilities, labels, classes, policy, pass_confidence),
    }
    if categories is not None:
        passed = _passed(probabilities, classes, policy, pass_confidence)
        report["per_category"] = _per_category(predicted == labels, passed, categories)
    return report


def expected_calibration_error(
    probabilities: Floats, labels: Ints, *, bins: int = _ECE_BINS
) -> float:
    """Mean gap between confidence and accuracy (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    Bins of equal width over (0, 1], each closed above, weighted by their share of photos. 0..1.
    """
    gap = 0.0
    for confidence, accuracy, photos in reliability_bins(probabilities, labels, bins=bins):
        gap += photos / len(labels) * abs(accuracy - confidence)
    return gap


def calibration_error_by_chance(
    probabilities: Floats, *, draws: int = 200, quantile: float = 0.95, seed: int = 0
) -> float:
    """The calibration error that perfectly calibrated scores reach by chance alone, 0..1.

    With few photos per bin, the accuracy of a bin differs from its confidence by chance: on 85
    photos a perfectly calibrated model has an error of about 0.1. Labels are drawn from the
    probabilities, and the quantile of the resulting errors is returned (consistency resampling,
    Bröcker and Smith 2007, doi:10.1175/WAF993.1).
    """
    rng = np.random.default_rng(seed)
    confidence = probabilities.max(axis=1)
    predicted = probabilities.argmax(axis=1)
    wrong = (predicted + 1) % probabilities.shape[1]  # only "correct or not" enters the error
    drawn = (
        np.where(rng.random(len(confidence)) < confidence, predicted, wrong) for _ in range(draws)
    )
    errors = [expected_calibration_error(probabilities, labels) for labels in drawn]
    return float(np.quantile(errors, quantile))


def reliability_bins(
    probabilities: Floats, labels: Ints, *, bins: int = _ECE_BINS
) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, photos) of each non-empty bin, lowest confidence first."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        (float(confidence[index == b].mean()), float(correct[index == b].mean()), int(count))
        for b, count in enumerate(np.bincount(index, minlength=bins))
        if count
    ]


def _per_class(
    probabilities: Floats, labels: Ints, classes: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(len(classes)), zero_division=np.nan
    )
    return {
        name: {
            "precision": _number(precision[c]),
            "recall": _number(recall[c]),
            "f1": _number(f1[c]),
            "support": int(support[c]),
            **_areas_under_curves(probabilities[:, c], labels == c),
        }
        for c, name in enumerate(classes)
    }


def _areas_under_curves(scores: Floats, positive: npt.NDArray[np.bool_]) -> dict[str, float | None]:
    """One class against the rest; None if either has no photos."""
    if not positive.any() or positive.all():
        return {"roc_auc": None, "pr_auc": None}
    return {
        "roc_auc": float(roc_auc_score(positive, scores)),
        "pr_auc": float(average_precision_score(positive, scores)),
    }


def _decisions(
    probabilities: Floats, classes: Sequence[str], policy: Policy, pass_confidence: float
) -> list[Decision]:
    return [
        decide(
            dict(zip(classes, row, strict=True)), pass_confidence=pass_confidence, policy=policy
        ).decision
        for row in probabilities.tolist()
    ]


def _passed(
    probabilities: Floats, classes: Sequence[str], policy: Policy, pass_confidence: float
) -> npt.NDArray[np.bool_]:
    decisions = _decisions(probabilities, classes, policy, pass_confidence)
    return np.array([d is Decision.PASS for d in decisions], dtype=bool)


def _verdicts(
    probabilities: Floats,
    labels: Ints,
    classes: Sequence[str],
    policy: Policy,
    pass_confidence: float,
) -> dict[str, float | int | None]:
    decisions = _decisions(probabilities, classes, policy, pass_confidence)
    passed = np.array([d is Decision.PASS for d in decisions], dtype=bool)
    violation = np.array([classes[label] in policy.violations for label in labels], dtype=bool)
    return {
        "pass_confidence": pass_confidence,
        "pass_rate": _share(passed),
        "review_rate": _share(np.array([d is Decision.REVIEW for d in decisions], dtype=bool)),
        "block_rate": _share(np.array([d is Decision.BLOCK for d in decisions], dtype=bool)),
        "leak_rate": _share(violation[passed]),
        "leaked": int((violation & passed).sum()),
        "violations": int(violation.sum()),
    }


def _per_category(
    correct: npt.NDArray[np.bool_], passed: npt.NDArray[np.bool_], categories: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    names = np.asarray(categories, dtype=object)
    return {
        name: {
            "support": int((names == name).sum()),
            "recall": _share(correct[names == name]),
            "passed": _share(passed[names == name]),
        }
        for name in sorted(set(categories))
    }


def _mean_nll(probabilities: Floats, labels: Ints) -> float:
    of_true_class = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_true_class, np.finfo(np.float64).tiny)).mean())


def _share(flags: npt.NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if flags.size else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
