"""The rule for similar decided photos: used only where it saves leaks for the same review."""

import numpy as np
import pytest

from ml.models.evaluation.held_out_labels import HeldOutLabels, hold_out
from ml.models.evaluation.memory_rule import (
    MIN_PHOTOS,
    UNFAMILIAR_SHARE,
    choose_memory_rule,
    find_min_similarity,
)
from ml.models.nearest_photos import Surroundings

PHOTOS = 3000


def _month(*, knowing: float, leaks: float = 0.1) -> tuple[HeldOutLabels, Surroundings]:
    """Some violations have low scores; neighbors of a share `knowing` of them are violations."""
    rng = np.random.default_rng(0)
    truth = rng.random(PHOTOS) < 0.3
    missed = truth & (rng.random(PHOTOS) < leaks)
    scores = np.where(
        truth & ~missed, rng.uniform(0.6, 1.0, PHOTOS), rng.uniform(0.0, 0.45, PHOTOS)
    )
    known = missed & (rng.random(PHOTOS) < knowing)
    share = np.where(known | (truth & ~missed), 0.9, rng.choice([0.0, 0.1], PHOTOS))
    labels = hold_out(scores, truth, np.ones(PHOTOS))
    return labels, Surroundings(share, np.zeros(PHOTOS))


def test_rule_is_found_where_neighbors_know_what_the_score_misses() -> None:
    labels, around = _month(knowing=0.8)
    rule = choose_memory_rule(labels, around, pass_confidence=0.7)
    assert rule is not None
    assert rule.leaks_saved > 5 * rule.new_leaks
    assert rule.leaks_saved <= rule.leaks_before
    assert 0.0 < rule.added_review_share < 0.05
    assert rule.photos == PHOTOS


@pytest.mark.parametrize("knowing", [0.0, 0.05])
def test_no_rule_where_neighbors_know_no_more(knowing: float) -> None:
    assert choose_memory_rule(*_month(knowing=knowing), pass_confidence=0.7) is None


def test_rule_that_would_only_cost_review_is_not_found() -> None:
    labels, around = _month(knowing=0.8)
    rng = np.random.default_rng(1)
    shuffled = Surroundings(rng.permutation(around.violating_share), around.similarity)
    assert choose_memory_rule(labels, shuffled, pass_confidence=0.7) is None


def test_leaks_of_one_group_count_as_one() -> None:
    labels, around = _month(knowing=0.8)
    is_missed = labels.is_violation & (labels.violation_scores < 0.5)
    groups = np.where(is_missed, PHOTOS, np.arange(PHOTOS))
    alike = hold_out(labels.violation_scores, labels.is_violation, labels.weights, groups)
    assert choose_memory_rule(alike, around, pass_confidence=0.7) is None


def test_new_leaks_that_represent_more_photos_outweigh_those_saved() -> None:
    photos = [20, 1, 1000, 100]  # leaks that neighbors know, one that they do not, normal photos
    scores = np.repeat([0.1, 0.35, 0.2, 0.4], photos)
    truth = np.repeat([True, True, False, False], photos)
    around = Surroundings(np.repeat([0.9, 0.0, 0.0, 0.0], photos), scores)
    for weight, expected in ((1.0, True), (50.0, False)):
        weights = np.repeat([1.0, weight, 1.0, 1.0], photos)
        rule = choose_memory_rule(hold_out(scores, truth, weights), around, pass_confidence=0.7)
        assert (rule is not None) is expected


def test_without_leaks_there_is_nothing_to_save() -> None:
    labels, around = _month(knowing=0.8, leaks=0.0)
    assert choose_memory_rule(labels, around, pass_confidence=0.7) is None


def test_photo_is_unfamiliar_below_the_spread_of_the_held_out_ones() -> None:
    similarity = np.linspace(0.2, 0.9, PHOTOS)
    ones = np.ones(PHOTOS)
    least = find_min_similarity(Surroundings(np.zeros(PHOTOS), similarity), ones)
    assert least is not None
    assert (similarity < least).mean() == pytest.approx(UNFAMILIAR_SHARE, abs=0.001)
    few = Surroundings(np.zeros(MIN_PHOTOS - 1), similarity[: MIN_PHOTOS - 1])
    assert find_min_similarity(few, ones[: MIN_PHOTOS - 1]) is None


def test_unfamiliar_photos_that_were_drawn_more_often_do_not_lower_the_bound() -> None:
    usual = np.linspace(0.5, 0.9, PHOTOS)
    unlike = np.linspace(0.1, 0.4, 200)  # drawn with twenty times the rate of the others
    around = Surroundings(np.zeros(PHOTOS + 200), np.concatenate([unlike, usual]))
    weights = np.concatenate([np.ones(200), np.full(PHOTOS, 20.0)])
    least = find_min_similarity(around, weights)
    assert least is not None
    is_below = around.similarity < least
    assert np.average(is_below, weights=weights) == pytest.approx(UNFAMILIAR_SHARE, abs=0.001)
    assert is_below.mean() > 2 * UNFAMILIAR_SHARE
