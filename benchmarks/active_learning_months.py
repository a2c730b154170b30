"""Simulated months of a shop that draws some of the photos that its model passes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from benchmarks.ranking_measures import measure_ranking
from ml.learning.snapshot.snapshot import MAX_WEIGHT
from ml.models.nearest_photos import NearestPhotos
from ml.models.training.folds import FOLDS
from ml.models.training.head import (
    FALLBACK_INVERSE_PENALTY,
    Head,
    LabelledFeatures,
    cross_fit_head,
    fit_head,
)
from ml.policy.active_learning import PassedPhoto, learning_rates

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RANDOM, ACTIVE = "random", "active learning"
MONTHS, PHOTOS_PER_MONTH = 5, 300
FIRST_LABELS = 100
PREVALENCE = 0.05  # violations among the photos of a month
REVIEWED = 0.1  # share of a month's photos that go to review by their scores
SPOT_CHECK = 0.01
_VIOLATION = 1  # the class of that index


@dataclass(frozen=True)
class LabelledPhotos:
    """Features (N, F), and classes (1: violation), kinds and near duplicates' groups, (N,)."""

    features: npt.NDArray[np.floating]
    targets: Ints
    kinds: npt.NDArray[np.str_]
    groups: Ints


@dataclass(frozen=True)
class Shop:
    """The policy's share, and a kind of violation that is absent from the first labels.

    `cross_fitted`: the head's penalty is selected each month, which takes 55 fits in place of one.
    """

    share: float
    absent: str | None = None
    cross_fitted: bool = False


class Month(NamedTuple):
    """Photos drawn so far, and measures of the ranking of held-out photos after that month."""

    drawn: int
    area: float
    recall: float


class _Labels(NamedTuple):
    """Photos labelled so far with their weights, and how many of them were drawn."""

    rows: Ints
    weights: Floats
    drawn: int


class _Passed(NamedTuple):
    """Photos of a month whose violation score is below the threshold."""

    rows: Ints
    scores: Floats
    threshold: float


def simulate_months(photos: LabelledPhotos, shop: Shop, *, draw: str, seed: int) -> list[Month]:
    """The state before the first month, and after each."""
    rng = np.random.default_rng(seed)
    pool, test = _split(photos, rng)
    first = pool[photos.kinds[pool] != shop.absent][:FIRST_LABELS]
    stream = pool[~np.isin(pool, first)]
    labels, found = _Labels(first, np.ones(len(first)), 0), list[Month]()
    for month in range(MONTHS + 1):
        head = _fit(photos, labels, cross_fitted=shop.cross_fitted)
        ranked = _score(head, photos.features[test])
        measures = measure_ranking(photos.targets[test] == _VIOLATION, ranked)
        found.append(Month(labels.drawn, measures["area"], measures["recall"]))
        uploaded = stream[month * PHOTOS_PER_MONTH :][:PHOTOS_PER_MONTH]
        if month < MONTHS:
            passed = _pass(uploaded, _score(head, photos.features[uploaded]))
            rates = _rate(photos, labels.rows, passed, shop, draw)
            labels = _label(labels, uploaded, passed, rates, rng)
    return found


def _pass(uploaded: Ints, scores: Floats) -> _Passed:
    threshold = float(np.quantile(scores, 1 - REVIEWED))
    passed = scores < threshold
    return _Passed(uploaded[passed], scores[passed], threshold)


def _label(
    labels: _Labels, uploaded: Ints, passed: _Passed, rates: Floats, rng: np.random.Generator
) -> _Labels:
    """Add the reviewed photos and those that are drawn, which stand for others."""
    reviewed = uploaded[~np.isin(uploaded, passed.rows)]
    # The numbers of the uploaded photos, so that both draws have the same ones.
    is_drawn = rng.random(len(uploaded))[: len(rates)] < rates
    weights = np.minimum(1 / rates[is_drawn], MAX_WEIGHT)
    return _Labels(
        np.concatenate([labels.rows, reviewed, passed.rows[is_drawn]]),
        np.concatenate([labels.weights, np.ones(len(reviewed)), weights]),
        labels.drawn + int(is_drawn.sum()),
    )


def _split(photos: LabelledPhotos, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The photos of the months, with PREVALENCE, and a third of the groups to test on."""
    groups = rng.permutation(np.unique(photos.groups))
    is_test = np.isin(photos.groups, groups[: len(groups) // 3])
    order = rng.permutation(np.flatnonzero(~is_test))
    violates = photos.targets[order] == _VIOLATION
    normal = order[~violates]
    kept = round(PREVALENCE / (1 - PREVALENCE) * len(normal))
    pool = rng.permutation(np.concatenate([order[violates][:kept], normal]))
    return pool, np.flatnonzero(is_test)


def _fit(photos: LabelledPhotos, labels: _Labels, *, cross_fitted: bool) -> Head:
    rows = labels.rows
    labelled = LabelledFeatures(photos.features[rows], photos.targets[rows], labels.weights)
    if cross_fitted:
        found = cross_fit_head(labelled, photos.groups[rows] % FOLDS, 2, balanced=True)
        head = found.head if found else None
    else:
        penalty = FALLBACK_INVERSE_PENALTY
        head = fit_head(labelled, 2, inverse_penalty=penalty, balanced=True)
    if head is None:
        raise ValueError("the first labels are of one class: give --seeds another number")
    return head


def _score(head: Head, features: npt.NDArray[np.floating]) -> Floats:
    found: Floats = softmax(head.logits(features), axis=1)[:, _VIOLATION]
    return found


def _rate(photos: LabelledPhotos, decided: Ints, passed: _Passed, shop: Shop, draw: str) -> Floats:
    """The probability of each passed photo to be drawn, by the spot check or besides."""
    if draw == RANDOM:
        return np.full(len(passed.rows), SPOT_CHECK + shop.share)
    nearest = NearestPhotos(photos.features[decided])
    similarities, rows = nearest.search(photos.features[passed.rows])
    described = zip(
        passed.scores.tolist(),
        photos.targets[decided][rows].mean(axis=1).tolist(),
        similarities.mean(axis=1).tolist(),
        photos.groups[passed.rows].tolist(),
        strict=True,
    )
    confidence = 1 - passed.threshold
    measured = [
        PassedPhoto(score, confidence, violating_share, similarity, group)
        for score, violating_share, similarity, group in described
    ]
    return SPOT_CHECK + np.array(learning_rates(measured, shop.share))
