"""Weights of labels by their origin and age, chosen by the loss on the shop's new held-out labels.

A shop's first model is trained on photos of other origins, of which there are many more than labels
of its reviewers; with equal weights they outweigh what the shop sees. How much depends on how alike
they are, so it is measured: by a regression on frozen features, which takes seconds. It is measured
on labels of the last months, as next month's photos are more like these: old labels would count
against any weighting by age.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import structlog
from scipy.special import log_softmax

from ml.models.training.head import (
    Bools,
    Floats,
    Ints,
    LabelledFeatures,
    cross_fit_head,
    fit_out_of_fold,
)

log = structlog.get_logger()

# Shares of the total weight that own labels may have, besides the one that they have by themselves.
OWN_SHARES = (0.5, 0.65, 0.8, 0.9)
# Days after which a label counts half; None: labels do not age. Shorter ones would forget a season.
HALF_LIVES = (None, 360, 180)
# More photos say no more about a few shares, and take longer.
MAX_PHOTOS = 4000
MIN_OWN = 30  # fewer labels cannot tell one share from another
NEW_DAYS = 90  # labels that are not older are new


@dataclass(frozen=True)
class LabelWeighting:
    """What labels weigh: `own_share` of the total is the shop's own; None: as they are.

    `half_life_days` is the age at which a label counts half; None: labels do not age. `loss` is the
    log loss on own new held-out labels, and `unweighted_loss` that without any of it.
    """

    own_share: float | None = None
    half_life_days: int | None = None
    loss: float | None = None
    unweighted_loss: float | None = None

    def apply(self, weights: Floats, is_own: Bools, age_days: Floats) -> Floats:
        """The weights (N,), with the same total as those given."""
        aged = weights
        if self.half_life_days is not None:
            aged = weights * 0.5 ** (age_days / self.half_life_days)
        own, other = aged[is_own].sum(), aged[~is_own].sum()
        if self.own_share is not None and own > 0 and other > 0:
            factor = self.own_share / (1 - self.own_share) * other / own
            aged = np.where(is_own, aged * factor, aged)
        scaled: Floats = aged * (weights.sum() / aged.sum())
        return scaled


@dataclass(frozen=True)
class LabelOrigins:
    """Which of N labels are the shop's own, and the age of each, in days."""

    is_own: Bools
    age_days: Floats


def choose_weighting(
    photos: LabelledFeatures,
    folds: Ints,
    origins: LabelOrigins,
    classes: int,
    *,
    balanced: bool,
) -> LabelWeighting:
    """The weighting with the lowest log loss on own new labels, each held out with its fold.

    With fewer than MIN_OWN of them, it is that on all own labels, and age does not count. With
    fewer own ones there is nothing to choose.
    """
    own = origins.is_own & (photos.weights > 0)
    if not _are_enough(photos, own):
        return LabelWeighting()
    chosen = _sample(len(folds), own)
    photos = photos.take(chosen)
    own, age_days, folds = own[chosen], origins.age_days[chosen], folds[chosen]
    new = own & (age_days <= NEW_DAYS)
    has_new = _are_enough(photos, new)
    half_lives = HALF_LIVES if has_new and age_days.max() > NEW_DAYS else (None,)
    plain = cross_fit_head(photos, folds, classes, balanced=balanced)
    if plain is None:
        return LabelWeighting()
    found: list[tuple[LabelWeighting, Floats]] = []
    for candidate in _candidates(photos.weights, own, half_lives):
        weights = candidate.apply(photos.weights, own, age_days)
        weighted = LabelledFeatures(photos.features, photos.targets, weights)
        penalty = plain.head.inverse_penalty
        logits = fit_out_of_fold(weighted, folds, classes, penalty, balanced=balanced)
        if logits is not None:
            found.append((candidate, _losses(logits, photos, new if has_new else own)))
    return _choose(found) if found else LabelWeighting()


def _are_enough(photos: LabelledFeatures, rows: Bools) -> bool:
    classes = len(np.unique(photos.targets[rows]))
    return bool(rows.sum() >= MIN_OWN) and classes >= 2  # noqa: PLR2004 - a classifier's


def _choose(found: Sequence[tuple[LabelWeighting, Floats]]) -> LabelWeighting:
    """The lowest mean loss, if it is below the plain one's by more than the standard error.

    Few own labels would otherwise choose by chance, among a dozen.
    """
    plain = found[0][1]
    best, losses = min(found, key=lambda each: float(each[1].mean()))
    gains = plain - losses
    if gains.mean() <= gains.std() / math.sqrt(len(gains)):
        best, losses = found[0]
    chosen = LabelWeighting(
        best.own_share, best.half_life_days, float(losses.mean()), float(plain.mean())
    )
    log.info("label weights chosen", **vars(chosen))
    return chosen


def _candidates(
    weights: Floats, own: Bools, half_lives: Sequence[int | None]
) -> Iterator[LabelWeighting]:
    """The plain weighting first, which wins if no other is better."""
    share = float(weights[own].sum() / weights.sum())
    shares = [None, *(s for s in OWN_SHARES if share < s)] if share < 1 else [None]
    for own_share, half_life in product(shares, half_lives):
        yield LabelWeighting(own_share, half_life)


def _sample(photos: int, own: Bools) -> Ints:
    """At most MAX_PHOTOS indices, evenly spread; at least half of them own ones, if there are."""
    if photos <= MAX_PHOTOS:
        return np.arange(photos)
    rows = np.flatnonzero(own), np.flatnonzero(~own)
    of_others = min(len(rows[1]), max(MAX_PHOTOS // 2, MAX_PHOTOS - len(rows[0])))
    counts = MAX_PHOTOS - of_others, of_others
    spread = [
        r[np.linspace(0, len(r) - 1, n).astype(int)] for r, n in zip(rows, counts, strict=True)
    ]
    return np.sort(np.concatenate(spread))


def _losses(logits: Floats, photos: LabelledFeatures, rows: Bools) -> Floats:
    """Log loss of each photo at these rows, times its weight relative to the others'."""
    chosen = log_softmax(logits[rows], axis=1)[np.arange(rows.sum()), photos.targets[rows]]
    weights = photos.weights[rows]
    losses: Floats = -chosen * weights / weights.mean()
    return losses
