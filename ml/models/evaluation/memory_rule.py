"""When decided photos that a photo resembles send it to review: chosen on held-out labels.

The network's score and the nearest decided photos can disagree: reviewers have just blocked such
photos, and the network has not learnt it yet. A rule only ever sends a photo to review, so that it
cannot let one pass that the threshold would not.
"""

import numpy as np
import structlog
from scipy.stats import binomtest

from ml.core.stats import Floats
from ml.models.card import MemoryRule
from ml.models.evaluation.held_out_labels import Bools, HeldOutLabels
from ml.models.nearest_photos import Surroundings
from ml.policy.verdict import VIOLATION_MAJORITY

log = structlog.get_logger()

# Shares of violations among the nearest photos.
SHARES = (0.2, 0.3, 0.5, 0.7, 0.9)
SIGNIFICANCE = 0.05
MAX_ADDED_SHARE = 0.05  # of all photos: what reviewers get on top, at the version's threshold
# Share of held-out photos that are less similar to the others than what counts as familiar.
UNFAMILIAR_SHARE = 0.005
MIN_PHOTOS = 200  # for such a small quantile


def choose_memory_rule(
    labels: HeldOutLabels, around: Surroundings, *, pass_confidence: float
) -> MemoryRule | None:
    """The rule that saves the most leaks without costing more review; None if none surely does.

    For the comparison the threshold is lowered until as many photos pass as without the rule. The
    leaks saved are counted against the new ones, those of a group as one, by a binomial test, at
    SIGNIFICANCE divided by the number of rules tried; and they must represent more photos. At the
    threshold itself a rule adds at most MAX_ADDED_SHARE of the photos to review.
    """
    before = labels.passed(pass_confidence)
    best: tuple[float, MemoryRule] | None = None
    for share in SHARES:
        flagged = around.violating_share >= share
        after = _pass_as_many(labels, flagged, weight=float(labels.weights[before].sum()))
        is_saved = before & ~after & labels.is_violation
        is_new = after & ~before & labels.is_violation
        saved, new = int(is_saved.sum()), int(is_new.sum())
        added = _added_share(labels, before & flagged)
        is_better = (
            after.any() and added <= MAX_ADDED_SHARE and _is_better(labels, is_saved, is_new)
        )
        if is_better and (best is None or saved - new > best[0]):
            best = (
                saved - new,
                MemoryRule(
                    min_violating_share=share,
                    photos=len(before),
                    leaks_before=int((before & labels.is_violation).sum()),
                    leaks_saved=saved,
                    new_leaks=new,
                    added_review_share=added,
                ),
            )
    rule = best[1] if best else None
    log.info("rule for similar decided photos", rule=rule.model_dump() if rule else None)
    return rule


def _pass_as_many(labels: HeldOutLabels, flagged: Bools, *, weight: float) -> Bools:
    """The likeliest normal photos that are not flagged, up to a total weight; none if too few."""
    allowed = ~flagged & (labels.violation_scores < VIOLATION_MAJORITY)
    order = np.argsort(labels.violation_scores, kind="stable")
    order = order[allowed[order]]
    total: Floats = np.cumsum(labels.weights[order])
    passed = np.zeros(len(flagged), bool)
    if len(total) and total[-1] >= weight:
        passed[order[: int(np.searchsorted(total, weight)) + 1]] = True
    return passed


def _is_better(labels: HeldOutLabels, is_saved: Bools, is_new: Bools) -> bool:
    saved, new = (len(np.unique(labels.groups[leaks])) for leaks in (is_saved, is_new))
    if saved <= new or labels.weights[is_saved].sum() <= labels.weights[is_new].sum():
        return False
    p_value = binomtest(saved, saved + new, alternative="greater").pvalue
    return bool(p_value < SIGNIFICANCE / len(SHARES))


def _added_share(labels: HeldOutLabels, flagged: Bools) -> float:
    return float(labels.weights[flagged].sum() / labels.weights.sum())


def find_min_similarity(around: Surroundings, weights: Floats) -> float | None:
    """The mean similarity to the nearest photos below which a photo is unfamiliar, -1..1.

    `weights` (N,): how many uploaded photos each represents. None where there are too few photos
    for such a quantile.
    """
    if len(around.similarity) < MIN_PHOTOS:
        return None
    return float(
        np.quantile(around.similarity, UNFAMILIAR_SHARE, weights=weights, method="inverted_cdf")
    )
