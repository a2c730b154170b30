"""Metrics of a model version on labeled photos, and on slices of them, as a JSON-ready report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from ml.policy.schema import Policy
from ml.policy.verdict import Decision, decide

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Row = dict[str, float | int | None]

_ECE_BINS = 15  # as in the tables of Guo et al. 2017, arXiv:1706.04599

# Short side in pixels: thumbnails and screenshots, images from messengers, camera photos.
SMALL, LARGE = 300, 800
# Thirds of 0..255. Fixed, not terciles of a run's photos: a slice means the same in every run.
DARK, BRIGHT = 85, 170


def evaluate(
    probabilities: Floats,
    labels: Ints,
    *,
    classes: Sequence[str],
    policy: Policy,
    pass_confidence: float,
    categories: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Compute the metrics of calibrated probabilities (N, C) against the labels (N,), N > 0.

    The columns are in the order of `classes`; `labels` are indices of the true classes.
    `pass_confidence` is the threshold of the version, `categories` has the finer category of each
    photo ("violate/qr"). The report has numbers, lists and dicts only; shares are 0..1; undefined
    values (the recall of a class without photos, the leak rate where nothing passed) are None.
    """
    predicted = probabilities.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, labels=range(len(classes)))
    decisions = decide_all(probabilities, classes, policy, pass_confidence)
    violation = np.isin(labels, [c for c, name in enumerate(classes) if name in policy.violations])
    report = {
        "photos": len(labels),
        "accuracy": _share(predicted == labels),
        "classes": list(classes),
        "confusion": matrix.tolist(),  # rows: truth, columns: prediction
        "per_class": _per_class(probabilities, labels, classes),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "calibration_error_by_chance": calibration_error_by_chance(probabilities),
        "nll": _mean_nll(probabilities, labels),
        "verdicts": {"pass_confidence": pass_confidence, **_verdict_rates(decisions, violation)},
    }
    if categories is not None:
        passed = [decision is Decision.PASS for decision in decisions]
        columns = {"recall": predicted == labels, "passed": passed}
        report["per_category"] = {
            name: {"support": row.pop("photos"), **row}
            for name, row in slice_means(categories, columns).items()
        }
    return report


def expected_calibration_error(
    probabilities: Floats, labels: Ints, *, bins: int = _ECE_BINS
) -> float:
    """Mean gap between confidence and accuracy (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    Bins of equal width over (0, 1], each closed above, weighted by their share of photos. 0..1.
    """
    bins_with_photos = reliability_bins(probabilities, labels, bins=bins)
    return sum(
        photos / len(labels) * abs(accuracy - confidence)
        for confidence, accuracy, photos in bins_with_photos
    )


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


def _per_class(probabilities: Floats, labels: Ints, classes: Sequence[str]) -> dict[str, Row]:
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(len(classes)), zero_division=np.nan
    )
    areas = [_areas_under_curves(probabilities[:, c], labels == c) for c in range(len(classes))]
    scores = pd.DataFrame({"precision": precision, "recall": recall, "f1": f1, "support": support})
    return _rows(scores.join(pd.DataFrame(areas)).set_axis(list(classes)))


def _areas_under_curves(scores: Floats, positive: Bools) -> dict[str, float]:
    """One class against the rest; NaN if either has no photos."""
    if not positive.any() or positive.all():
        return {"roc_auc": math.nan, "pr_auc": math.nan}
    return {
        "roc_auc": float(roc_auc_score(positive, scores)),
        "pr_auc": float(average_precision_score(positive, scores)),
    }


def decide_all(
    probabilities: Floats, classes: Sequence[str], policy: Policy, pass_confidence: float
) -> list[Decision]:
    """The decision on each photo, by its probabilities (N, C) alone."""
    return [
        decide(
            dict(zip(classes, row, strict=True)), pass_confidence=pass_confidence, policy=policy
        ).decision
        for row in probabilities.tolist()
    ]


def _verdict_rates(decisions: Sequence[Decision], violation: Bools) -> Row:
    flags = {d: np.array([other is d for other in decisions], dtype=bool) for d in Decision}
    passed = flags[Decision.PASS]
    return {
        "pass_rate": _share(passed),
        "review_rate": _share(flags[Decision.REVIEW]),
        "block_rate": _share(flags[Decision.BLOCK]),
        "leak_rate": _share(violation[passed]),
        "leaked": int((violation & passed).sum()),
        "violations": int(violation.sum()),
    }


def _mean_nll(probabilities: Floats, labels: Ints) -> float:
    of_true_class = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_true_class, np.finfo(np.float64).tiny)).mean())


def _share(flags: Bools) -> float | None:
    return float(flags.mean()) if flags.size else None


def size_name(width: int, height: int) -> str:
    """`small`, `medium` or `large`, by the short side in pixels."""
    short = min(width, height)
    return "small" if short < SMALL else "medium" if short < LARGE else "large"


def brightness_name(luma: float) -> str:
    """`dark`, `middle` or `bright`, by the mean luma of a photo, 0..255."""
    return "dark" if luma < DARK else "middle" if luma < BRIGHT else "bright"


def slice_means(
    names: Sequence[str | None], columns: Mapping[str, npt.ArrayLike]
) -> dict[str, Row]:
    """Number of photos and mean of each column, per slice in alphabetical order.

    `names` has the slice of each photo; None excludes the photo. A column has a value per photo;
    NaN is left out of the mean, which is None where nothing is left.
    """
    slices = pd.DataFrame(columns, dtype=float).groupby(np.array(names, dtype=object))
    means = slices.mean()
    means.insert(0, "photos", slices.size())
    return _rows(means)


def _rows(table: pd.DataFrame) -> dict[str, Row]:
    """The rows by name, as JSON values: None in place of NaN."""
    rows: Any = table.astype(object).where(table.notna(), None).to_dict("index")
    return {str(name): row for name, row in rows.items()}
