"""The draw is stable, even and tells nothing; the interval is the exact one."""

import hashlib

import pytest
from scipy.stats import binomtest, kstest

from ml.audit.random_audit import (
    CONFIDENCE,
    Tally,
    classes_against,
    draw,
    priority_among_reviews,
    rate_of,
)
from ml.policy.policy import Policy
from tests.support.policies import policy

KEY = b"k" * 32
CONTENTS = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(4000)]


def test_a_content_draws_the_same_lots_for_ever() -> None:
    assert draw(KEY, CONTENTS[0]) == draw(KEY, CONTENTS[0])
    assert draw(KEY, CONTENTS[0]) != draw(b"another" * 4, CONTENTS[0])


def test_the_lots_are_even_and_know_nothing_of_each_other() -> None:
    drawn = [draw(KEY, content) for content in CONTENTS]
    for lots in ([d.lot for d in drawn], [d.place for d in drawn], [d.guise for d in drawn]):
        assert kstest(lots, "uniform").pvalue > 0.001
    chosen = [d.place for d in drawn if d.lot < 0.1]
    assert kstest(chosen, "uniform").pvalue > 0.001


def test_a_larger_share_keeps_what_a_smaller_one_drew() -> None:
    drawn = {content: draw(KEY, content).lot for content in CONTENTS}
    small = {content for content, lot in drawn.items() if lot < 0.01}
    assert 15 <= len(small) <= 70
    assert small <= {content for content, lot in drawn.items() if lot < 0.02}


def test_the_priority_lies_among_those_of_reviews() -> None:
    raw = policy(weapon=0.9, ad=None).model_dump(mode="json")
    raw["classes"]["weapon"]["priority"] = 4
    rule = Policy.model_validate(raw)
    places = [priority_among_reviews(draw(KEY, content), rule) for content in CONTENTS]
    assert min(places) >= 0.3 - 1e-9
    assert max(places) <= 5.0
    assert 0.4 < sum(place > 1.0 for place in places) / len(places) < 0.6


@pytest.mark.parametrize(("wrong", "answered"), [(0, 40), (1, 40), (7, 300), (5, 5)])
def test_the_interval_is_clopper_and_pearsons(wrong: int, answered: int) -> None:
    rate = rate_of(Tally("2026-11-01", "pass", "", answered + 3, answered, wrong))
    exact = binomtest(wrong, answered).proportion_ci(CONFIDENCE, method="exact")
    assert rate.rate == wrong / answered
    assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_without_an_answer_nothing_is_known() -> None:
    rate = rate_of(Tally("2026-11-01", "pass", "", 3, 0, 0))
    assert (rate.rate, rate.low, rate.high) == (None, 0.0, 1.0)


def test_violations_speak_against_a_pass_and_the_others_against_a_block() -> None:
    rule = policy(weapon=0.9, ad=None)
    assert classes_against("pass", rule) == ["weapon", "ad"]
    assert classes_against("block", rule) == ["normal"]
