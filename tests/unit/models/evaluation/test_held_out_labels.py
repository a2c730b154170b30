import numpy as np
import pytest

from ml.models.evaluation.held_out_labels import hold_out

PHOTOS = 900
CLEAN = np.zeros(PHOTOS, bool)
PASSING = np.full(PHOTOS, 0.005)


def test_photos_of_a_group_count_as_one_label_of_their_mean_weight() -> None:
    weights = np.repeat(np.linspace(1.0, 2.0, PHOTOS), 4)
    groups = np.repeat(np.arange(PHOTOS) + 7, 4)
    copies = hold_out(np.repeat(PASSING, 4), np.repeat(CLEAN, 4), weights, groups)
    assert copies.counts(0.7) == pytest.approx((1.5 * PHOTOS / 2.0, 0.0))
    # The work of reviewers is counted by photos.
    assert copies.review_share(0.7) == 0.0


def test_group_leaks_by_the_share_of_it_that_leaks() -> None:
    labels = hold_out(PASSING[:8], np.arange(8) == 0, np.ones(8), np.repeat([0, 1], 4))
    assert labels.counts(0.7) == (2.0, 0.25)


def test_heaviest_group_that_passes_is_the_unit() -> None:
    scores = np.array([0.0] * 400 + [0.9] * 4)
    groups = np.r_[np.repeat(np.arange(200), 2), [200] * 4]
    weights = np.array([1.0] * 400 + [100.0] * 4)
    assert hold_out(scores, np.zeros(404, bool), weights, groups).counts(0.7) == (200.0, 0.0)


def test_group_of_which_a_part_passes_is_not_a_whole_label() -> None:
    labels = hold_out(np.array([0.0, 0.0, 0.9, 0.9]), CLEAN[:4], np.ones(4), np.array([0, 1, 1, 1]))
    assert labels.counts(0.7) == pytest.approx((4 / 3, 0.0))


def test_without_groups_each_photo_is_alone() -> None:
    labels = hold_out(PASSING, CLEAN, np.ones(PHOTOS))
    assert labels.counts(0.7) == (PHOTOS, 0.0)
    assert labels.review_share(1.0) == 1.0
    assert labels.counts(1.0) == (0.0, 0.0)
