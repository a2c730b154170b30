"""Compare candidate and champion on the same photos, and read values of the evaluation report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from ml.core.errors import ModelError
from ml.models.evaluation.metrics import Bools, Floats, Ints, decide_all, evaluate, slice_means
from ml.policy.schema import Policy
from ml.policy.verdict import Decision

Report = Mapping[str, Any]

_CONFIDENCE = 0.95  # of the interval


@dataclass(frozen=True)
class PairedTest:
    """Candidate versus champion on the same photos.

    `gained` counts photos that only the candidate got right, `lost` those that only the champion
    got right. `difference` is the candidate's accuracy minus the champion's, -1..1, with its 95 %
    interval `low` to `high`; `p_value` is two-sided.
    """

    photos: int
    gained: int
    lost: int
    difference: float
    low: float
    high: float
    p_value: float


def paired_test(candidate_correct: Bools, champion_correct: Bools) -> PairedTest:
    """Compare two versions photo by photo with McNemar's exact test (1947, Psychometrika 12:153).

    Takes for each photo, (N,), whether a version got it right. Null hypothesis: a photo that only
    one of them got right is equally likely to be either's. Without photos the result is difference
    0, interval -1..1, p 1.
    """
    photos = len(candidate_correct)
    gained = int((candidate_correct & ~champion_correct).sum())
    lost = int((champion_correct & ~candidate_correct).sum())
    low, high = _confidence_interval(photos, gained, lost)
    return PairedTest(
        photos=photos,
        gained=gained,
        lost=lost,
        difference=(gained - lost) / photos if photos else 0.0,
        low=low,
        high=high,
        p_value=float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0,
    )


def _confidence_interval(photos: int, gained: int, lost: int) -> tuple[float, float]:
    """Agresti and Min 2005 (Statistics in Medicine 24:729): Wald with half a photo added per cell.

    Unlike the plain Wald interval it does not collapse where the two versions never differ.
    """
    if not photos:
        return -1.0, 1.0
    z = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2.0)
    total = photos + 2.0
    center = (gained - lost) / total
    half_width = z * math.sqrt((gained + lost + 1.0) / total - center**2) / math.sqrt(total)
    return max(-1.0, center - half_width), min(1.0, center + half_width)


@dataclass(frozen=True)
class Photos:
    """N labeled photos: index of the true class, category, and slice names by grouping."""

    labels: Ints
    categories: Sequence[str]
    groups: Mapping[str, Sequence[str | None]]

    def subset(self, rows: Ints) -> "Photos":
        """The photos at these rows."""
        return Photos(
            self.labels[rows],
            [self.categories[i] for i in rows],
            {name: [values[i] for i in rows] for name, values in self.groups.items()},
        )


@dataclass(frozen=True)
class ModelScores:
    """A version's calibrated probabilities (N, C), in the policy's class order, and threshold."""

    probabilities: Floats
    pass_confidence: float

    def subset(self, rows: Ints) -> "ModelScores":
        """The scores of the photos at these rows."""
        return ModelScores(self.probabilities[rows], self.pass_confidence)

    def decisions(self, policy: Policy) -> list[Decision]:
        """The version's decision on each photo."""
        return decide_all(self.probabilities, list(policy.classes), policy, self.pass_confidence)

    def violation_scores(self, policy: Policy) -> Floats:
        """(N,): summed probability of the violation classes, 0..1."""
        columns = [c for c, name in enumerate(policy.classes) if name in policy.violations]
        scores: Floats = self.probabilities[:, columns].sum(axis=1)
        return scores

    def correct(self, labels: Ints) -> Bools:
        """(N,): whether the version predicted the true class."""
        flags: Bools = self.probabilities.argmax(axis=1) == labels
        return flags

    def passed(self, policy: Policy) -> Bools:
        """(N,): whether the version let the photo pass."""
        return np.array([d is Decision.PASS for d in self.decisions(policy)], dtype=bool)


def compare(
    photos: Photos, *, candidate: ModelScores, champion: ModelScores | None, policy: Policy
) -> dict[str, Any]:
    """Evaluate both versions at their own thresholds, test the difference, and evaluate slices.

    Returns `photos` (their number, at least one), `candidate` and `champion` (see
    `ml.models.evaluation.metrics.evaluate`), `paired` (see `PairedTest`; None without a champion)
    and `slices`: grouping -> slice -> number of photos, and per version its accuracy and the share
    of violations that it did not let pass ("caught").
    """
    violation = is_violation(photos.labels, policy)
    unknown = np.full(len(violation), np.nan)
    columns: dict[str, npt.ArrayLike] = {}
    for name, model in (("candidate", candidate), ("champion", champion)):
        caught = np.where(violation, ~model.passed(policy), np.nan) if model else unknown
        columns[f"{name}_accuracy"] = model.correct(photos.labels) if model else unknown
        columns[f"{name}_caught"] = caught
    return {
        "photos": len(photos.labels),
        "candidate": _evaluate(photos, candidate, policy),
        "champion": _evaluate(photos, champion, policy) if champion else None,
        "paired": _paired_tests(photos.labels, candidate, champion, policy) if champion else None,
        "slices": {
            grouping: slice_means(names, columns) for grouping, names in photos.groups.items()
        },
    }


def is_violation(labels: Ints, policy: Policy) -> Bools:
    """(N,): whether the true class is a violation."""
    by_class = np.array([name in policy.violations for name in policy.classes], dtype=bool)
    flags: Bools = by_class[labels]
    return flags


def _evaluate(photos: Photos, scores: ModelScores, policy: Policy) -> dict[str, Any]:
    return evaluate(
        scores.probabilities,
        photos.labels,
        classes=list(policy.classes),
        policy=policy,
        pass_confidence=scores.pass_confidence,
        categories=photos.categories,
    )


def _paired_tests(
    labels: Ints, candidate: ModelScores, champion: ModelScores, policy: Policy
) -> dict[str, Any]:
    def test(rows: Bools) -> dict[str, Any]:
        return asdict(paired_test(correct[rows], champion_correct[rows]))

    correct, champion_correct = candidate.correct(labels), champion.correct(labels)
    violation = is_violation(labels, policy)
    # "Correct" means for a leak that a violation did not pass.
    caught, champion_caught = (~m.passed(policy)[violation] for m in (candidate, champion))
    return {
        "accuracy": test(np.ones(len(labels), dtype=bool)),
        "recall": {name: test(labels == c) for c, name in enumerate(policy.classes)},
        "leak": asdict(paired_test(caught, champion_caught)),
    }


def leak_counts(report: Report, model: str) -> tuple[float, float]:
    """(violations that passed, photos that passed) of the model at a path."""
    pass_rate, leaked = numbers_at(report, f"{model}.verdicts", "pass_rate", "leaked")
    return leaked, round(number_at(report, f"{model}.photos") * pass_rate)


_SETS = ("golden", "newest", "out_of_fold")


def compared_sets(report: Report) -> list[str]:
    """The golden set, its newest photos, and held-out photos: those that the report has."""
    sets, main = mapping_at(report, "sets"), main_set(report)
    if main not in sets:
        raise ModelError(f"the report has no {main} of sets")
    return [name for name in _SETS if name in sets]


def main_set(report: Report) -> str:
    """The set with the most photos; of reports of earlier releases the golden set."""
    return str(report.get("main_set", "golden"))


def value_at(report: Report, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value at a path of keys separated by dots; names of sets, models and classes have none.

    Raises:
        ModelError: the report has none.
    """
    value: Any = report
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise ModelError(f"the report has no {key} of {path}")
        value = value[key]
    return value


def mapping_at(report: Report, path: str) -> Mapping[str, Any]:
    """The mapping at a path."""
    value = value_at(report, path)
    if not isinstance(value, Mapping):
        raise ModelError(f"the report has no mapping at {path}")
    return value


def numbers_at(report: Report, path: str, *names: str) -> list[float]:
    """The finite numbers of these names below a path."""
    return [number_at(report, f"{path}.{name}") for name in names]


def number_at(report: Report, path: str) -> float:
    """The finite number at a path."""
    value = value_at(report, path)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelError(f"the report has no number at {path}")
    return float(value)
