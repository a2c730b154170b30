"""Pure figures of the screens' benchmarks: shares, areas, and what a policy makes of photos."""

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
    """`hits` of `photos`."""

    hits: int
    photos: int

    @property
    def value(self) -> float:
        """0..1; of no photos 0."""
        return self.hits / self.photos if self.photos else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval (Clopper and Pearson 1934); of no photos 0..1."""
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
    """How many of the items are hits."""
    return Share(sum(hit(item) for item in items), len(items))


def area(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """Chance that one of the `higher` exceeds one of the `lower`: the area under the ROC curve.

    None where one side is empty.
    """
    if not higher or not lower:
        return None
    truth = np.r_[np.ones(len(higher)), np.zeros(len(lower))]
    return float(roc_auc_score(truth, np.r_[higher, lower]))


@dataclass(frozen=True)
class Outcome:
    """What became of one photo, and what it is."""

    category: str
    violation: bool
    decision: Decision


@dataclass(frozen=True)
class Effect:
    """What a policy makes of labelled photos.

    `recall` is of violations that did not pass, by category, too; `reviewed` of all photos that a
    person must see; `false_review` of the normal ones; `leak` of violations among what passed.
    """

    recall: Share
    by_category: dict[str, Share]
    reviewed: Share
    false_review: Share
    leak: Share


def effect(outcomes: Sequence[Outcome]) -> Effect:
    """Sum up decisions."""
    violating = [o for o in outcomes if o.violation]
    names = sorted({o.category for o in violating})
    return Effect(
        recall=share(violating, _stopped),
        by_category={
            name: share([o for o in violating if o.category == name], _stopped) for name in names
        },
        reviewed=share(outcomes, _waits),
        false_review=share([o for o in outcomes if not o.violation], _waits),
        leak=share([o for o in outcomes if not _stopped(o)], lambda o: o.violation),
    )


def _stopped(outcome: Outcome) -> bool:
    return outcome.decision is not Decision.PASS


def _waits(outcome: Outcome) -> bool:
    return outcome.decision is Decision.REVIEW
