"""Statistics of the screens' benchmarks: shares with intervals, AUC, decision rates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

from ml.policy.verdict import Decision

T = TypeVar("T")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """A share of `hits` among `photos`."""

    hits: int
    photos: int

    @property
    def value(self) -> float:
        """The share, 0..1; 0 without photos."""
        return self.hits / self.photos if self.photos else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval (Clopper and Pearson 1934); 0..1 without photos."""
        tail, missed = (1 - CONFIDENCE) / 2, self.photos - self.hits
        low = beta.ppf(tail, self.hits, missed + 1) if self.hits else 0.0
        high = beta.ppf(1 - tail, self.hits + 1, missed) if missed else 1.0
        return float(low), float(high)

    def __str__(self) -> str:
        if not self.photos:
            return "-"
        low, high = (f"{100 * side:.1f}" for side in self.interval)
        return f"{100 * self.value:.1f} % ({low}-{high}, n {self.photos})"


def share(items: Sequence[T], hit: Callable[[T], bool]) -> Share:
    """Count the items that are hits."""
    return Share(sum(hit(item) for item in items), len(items))


def roc_auc(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """Return the area under the ROC curve of positives (`higher`) versus negatives (`lower`).

    None if one of them is empty.
    """
    if not higher or not lower:
        return None
    truth = np.r_[np.ones(len(higher)), np.zeros(len(lower))]
    return float(roc_auc_score(truth, np.r_[higher, lower]))


@dataclass(frozen=True)
class LabelledDecision:
    """The true label and the decision of one photo."""

    category: str
    violation: bool
    decision: Decision


@dataclass(frozen=True)
class DecisionSummary:
    """Decision rates on labelled photos.

    `recall`: violations that did not pass, also by category; `reviewed`: photos sent to review;
    `false_review`: normal photos sent to review; `leak`: violations among the passed photos.
    """

    recall: Share
    by_category: dict[str, Share]
    reviewed: Share
    false_review: Share
    leak: Share


def summarize_decisions(outcomes: Sequence[LabelledDecision]) -> DecisionSummary:
    """Compute the decision rates."""
    violating = [o for o in outcomes if o.violation]
    names = sorted({o.category for o in violating})
    return DecisionSummary(
        recall=share(violating, _is_not_passed),
        by_category={
            name: share([o for o in violating if o.category == name], _is_not_passed)
            for name in names
        },
        reviewed=share(outcomes, _is_in_review),
        false_review=share([o for o in outcomes if not o.violation], _is_in_review),
        leak=share([o for o in outcomes if not _is_not_passed(o)], lambda o: o.violation),
    )


def _is_not_passed(outcome: LabelledDecision) -> bool:
    return outcome.decision is not Decision.PASS


def _is_in_review(outcome: LabelledDecision) -> bool:
    return outcome.decision is Decision.REVIEW
