"""Rates of active learning: positive, bounded, in proportion to the value of a label."""

import hashlib
from dataclasses import replace

import pytest
from pydantic import ValidationError

from ml.policy.active_learning import (
    MAX_RATE,
    MIN_RELATIVE_RATE,
    PassedPhoto,
    choose_route,
    learning_rates,
)
from ml.policy.operations import ActiveLearning
from ml.policy.spot_check import SampleDraw, draw_sample
from tests.support.policies import policy

SHARE = 0.1
USUAL = PassedPhoto(0.02, 0.7, violating_share=0.0, similarity=0.8, group=0)


def rates(*photos: PassedPhoto) -> list[float]:
    return learning_rates([replace(photo, group=n) for n, photo in enumerate(photos)], SHARE)


@pytest.mark.parametrize(
    "change",
    [
        {"violation_score": 0.28},
        {"pass_confidence": 0.97},
        {"violating_share": 0.2},
        {"similarity": 0.6},
    ],
    ids=["close to the threshold", "stricter threshold", "other decisions", "unfamiliar"],
)
def test_photo_that_teaches_more_has_a_higher_rate(change: dict[str, float]) -> None:
    found = rates(*[USUAL] * 200, replace(USUAL, **change))  # type: ignore[arg-type]  # numbers
    assert found[-1] > 1.4 * found[0]
    assert sum(found) / len(found) == pytest.approx(SHARE, rel=0.02)


def test_equal_photos_have_the_policys_share() -> None:
    assert rates(USUAL, USUAL, USUAL) == pytest.approx([SHARE] * 3)


def test_photos_without_decided_ones_differ_by_score() -> None:
    alone = replace(USUAL, violating_share=None, similarity=None)
    low, high = rates(alone, replace(alone, violation_score=0.29))
    assert low < SHARE < high
    assert (low + high) / 2 == pytest.approx(SHARE)


def test_photo_without_a_similarity_counts_as_usual() -> None:
    one, other, without = rates(
        *[replace(USUAL, similarity=s) for s in (0.7, 0.9)], replace(USUAL, similarity=None)
    )
    assert other < without < one


def test_near_duplicates_share_the_rate_of_one_photo() -> None:
    photos = [replace(USUAL, group=n) for n in range(8)] + [replace(USUAL, group=9)] * 2
    found = learning_rates(photos, SHARE)
    assert found[-1] == found[-2] == pytest.approx(found[0] / 2)


def test_rates_have_a_minimum_and_a_maximum() -> None:
    known = replace(USUAL, similarity=1.0)
    found = rates(*[known] * 200, replace(USUAL, violation_score=0.3, similarity=0.0))
    assert found[0] == pytest.approx(SHARE * MIN_RELATIVE_RATE)
    assert found[-1] == MAX_RATE


@pytest.mark.parametrize("similarity", [1.0, 1.0001])
def test_photos_that_all_equal_decided_ones_are_drawn_too(similarity: float) -> None:
    same = replace(USUAL, similarity=similarity)
    assert rates(same, same) == pytest.approx([SHARE] * 2)


def test_threshold_of_certainty_divides_by_nothing() -> None:
    certain = replace(USUAL, violation_score=0.0, pass_confidence=1.0)
    assert rates(certain, certain) == pytest.approx([SHARE] * 2)


def test_without_a_share_nothing_is_drawn() -> None:
    assert learning_rates([USUAL], 0.0) == [0.0]
    assert learning_rates([], SHARE) == []
    assert choose_route(SampleDraw(1.0, 0.5, 0.5), spot_check_share=0.0, rate=0.0) is None


def test_no_photo_is_drawn_by_both_whatever_the_shares_of_later_runs_are() -> None:
    contents = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(2000)]
    samples = [draw_sample(b"k" * 32, content) for content in contents]

    def drawn(share: float, rate: float, route: str) -> set[float]:
        chosen = (s for s in samples if choose_route(s, spot_check_share=share, rate=rate) == route)
        return {sample.selection for sample in chosen}

    learned = drawn(0.01, MAX_RATE, "active_learning")
    assert 900 < len(learned) < 1100
    assert not learned & drawn(0.5, 0.0, "spot_check")
    assert drawn(0.3, 0.0, "spot_check") == drawn(0.3, MAX_RATE, "spot_check")


@pytest.mark.parametrize("values", [{"share": 0.11}, {"share": -0.1}, {"passed": 0.01}])
def test_invalid_share_is_rejected(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ActiveLearning.model_validate(values)


def test_version_ignores_active_learning() -> None:
    one = policy(violate=None)
    other = one.model_copy(update={"active_learning": ActiveLearning(share=0.1)})
    assert one.version == other.version
