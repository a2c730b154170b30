"""Sampling is deterministic, uniform and unrevealing; the interval is exact."""

import hashlib

import pytest
from scipy.stats import binomtest, kstest

from ml.policy.schema import Policy
from ml.policy.spot_check import (
    ANY_CLASS,
    CONFIDENCE,
    SpotCheckCounts,
    contradicting_classes,
    count_contradictions,
    draw_sample,
    estimate_rate,
    priority_among_reviews,
)
from tests.support.policies import policy

KEY = b"k" * 32
CONTENTS = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(4000)]


def test_draw_sample_is_deterministic_for_key_and_content() -> None:
    assert draw_sample(KEY, CONTENTS[0]) == draw_sample(KEY, CONTENTS[0])
    assert draw_sample(KEY, CONTENTS[0]) != draw_sample(b"another" * 4, CONTENTS[0])


def test_draw_sample_numbers_are_uniform_and_independent() -> None:
    drawn = [draw_sample(KEY, content) for content in CONTENTS]
    for lots in ([d.selection for d in drawn], [d.score for d in drawn], [d.label for d in drawn]):
        assert kstest(lots, "uniform").pvalue > 0.001
    chosen = [d.score for d in drawn if d.selection < 0.1]
    assert kstest(chosen, "uniform").pvalue > 0.001


def test_larger_share_includes_the_sample_of_a_smaller_one() -> None:
    drawn = {content: draw_sample(KEY, content).selection for content in CONTENTS}
    small = {content for content, lot in drawn.items() if lot < 0.01}
    assert 15 <= len(small) <= 70
    assert small <= {content for content, lot in drawn.items() if lot < 0.02}


def test_priority_among_reviews_is_in_the_range_of_reviews() -> None:
    raw = policy(weapon=0.9, ad=None).model_dump(mode="json")
    raw["classes"]["weapon"]["priority"] = 4
    rule = Policy.model_validate(raw)
    places = [priority_among_reviews(draw_sample(KEY, content), rule) for content in CONTENTS]
    assert min(places) >= 0.3 - 1e-9
    assert max(places) <= 5.0
    assert 0.4 < sum(place > 1.0 for place in places) / len(places) < 0.6


@pytest.mark.parametrize(("wrong", "answered"), [(0, 40), (1, 40), (7, 300), (5, 5)])
def test_estimate_rate_returns_the_clopper_pearson_interval(wrong: int, answered: int) -> None:
    rate = estimate_rate(SpotCheckCounts("2026-11-01", "pass", "", answered + 3, answered, wrong))
    exact = binomtest(wrong, answered).proportion_ci(CONFIDENCE, method="exact")
    assert rate.rate == wrong / answered
    assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_estimate_rate_without_reviews_is_unknown() -> None:
    rate = estimate_rate(SpotCheckCounts("2026-11-01", "pass", "", 3, 0, 0))
    assert (rate.rate, rate.low, rate.high) == (None, 0.0, 1.0)


def test_contradicts_depends_on_decision_and_label() -> None:
    rule = policy(weapon=0.9, ad=None)
    assert contradicting_classes("pass", rule) == ["weapon", "ad"]
    assert contradicting_classes("block", rule) == ["normal"]


def test_answers_are_counted_by_class_and_unknown_labels_count_as_unanswered() -> None:
    answers = [
        ("2026-11-01", "pass", "weapon", 2),
        ("2026-11-01", "pass", "normal", 5),
        ("2026-11-01", "pass", "dropped_class", 1),
        ("2026-11-01", "pass", None, 3),
    ]
    counts = count_contradictions(answers, policy(weapon=None, ad=None))
    assert [(c.name, c.sampled, c.reviewed, c.violations) for c in counts] == [
        (ANY_CLASS, 11, 7, 2),
        ("weapon", 11, 7, 2),
        ("ad", 11, 7, 0),
    ]
