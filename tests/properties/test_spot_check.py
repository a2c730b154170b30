"""The spot check estimates the true leak rate and never affects a verdict."""

import hashlib
from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from ml.core.types import ScreenResult, ScreenStatus
from ml.policy.schema import Policy
from ml.policy.spot_check import CONFIDENCE, Rate, SpotCheckCounts, draw_sample, estimate_rate
from ml.policy.verdict import decide
from tests.support.policies import policy

MONTHS, SHARE = 100, 0.05
PASSED = 4000  # photos per month
KEY = bytes(range(32))
# Sampling noise: if each month is covered with exactly the promised confidence, fewer covered
# months than this have a probability of 0.001.
ONE_IN_A_THOUSAND = 0.001


@cache
def rate(wrong: int, answered: int) -> Rate:
    return estimate_rate(SpotCheckCounts("2026-11-01", "pass", "", answered, answered, wrong))


def covers(found: Rate, truth: float) -> bool:
    return found.low <= truth <= found.high


def least(months: int) -> int:
    """Minimum number of covered months, allowing for chance."""
    return int(binom.ppf(ONE_IN_A_THOUSAND, months, CONFIDENCE))


def test_interval_covers_the_true_rate_over_hash_drawn_months() -> None:
    rng = np.random.default_rng(20261101)
    covered, asked, wrong = 0, 0, 0
    for month in range(MONTHS):
        leaks = rng.random(PASSED) < rng.uniform(0.002, 0.08)
        contents = (hashlib.sha256(b"%d/%d" % (month, n)).hexdigest() for n in range(PASSED))
        drawn = np.array([draw_sample(KEY, content).selection < SHARE for content in contents])
        answered, leaked = int(drawn.sum()), int(leaks[drawn].sum())
        covered += covers(rate(leaked, answered), float(leaks.mean()))
        asked, wrong = asked + answered, wrong + leaked
    assert covered >= least(MONTHS)
    assert 0 < wrong < asked
    assert abs(asked / (MONTHS * PASSED) - SHARE) < 0.005


def test_interval_keeps_its_confidence_over_many_months() -> None:
    rng, months = np.random.default_rng(7), 2000
    for truth in (0.001, 0.005, 0.02, 0.1, 0.5):
        for answered in (20, 150, 1000):
            leaked = rng.binomial(answered, truth, months)
            covered = sum(covers(rate(int(k), answered), truth) for k in leaked)
            assert covered >= least(months), (truth, answered, covered)


def test_interval_is_narrow_enough_to_be_useful() -> None:
    """With a thousand reviews the interval excludes rates 3 points away."""
    found = rate(50, 1000)
    assert found.high - found.low < 0.03
    assert not covers(found, 0.02)
    assert not covers(found, 0.08)


CLASSES = policy(weapon=0.8, qr=None, ad=0.95)
parts = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any)
half = st.floats(0.0, 0.5)
outcomes = st.builds(
    lambda state: ScreenResult("duplicates", state, "found", None),
    st.sampled_from([ScreenStatus.FIRED, ScreenStatus.CLEAR, ScreenStatus.UNKNOWN]),
)


def drawing(passed: float, blocked: float) -> Policy:
    raw = CLASSES.model_dump(mode="json")
    raw["screens"] = {"duplicates": {"enabled": True}}
    return Policy.model_validate({**raw, "spot_check": {"passed": passed, "blocked": blocked}})


NONE_DRAWN = drawing(0.0, 0.0)


shares = st.builds(drawing, half, half)


@given(parts, shares, outcomes, st.sampled_from([None, *CLASSES.classes]), st.floats(0.5, 1))
def test_spot_check_shares_change_neither_verdict_nor_version(
    weights: list[int],
    drawn: Policy,
    outcome: ScreenResult,
    earlier: str | None,
    threshold: float,
) -> None:
    scores = {n: w / sum(weights) for n, w in zip(sorted(CLASSES.classes), weights, strict=True)}
    with_lots, without = (
        decide(
            scores,
            pass_confidence=threshold,
            policy=rule,
            screens={"duplicates": outcome},
            human_label=earlier,
        )
        for rule in (drawn, NONE_DRAWN)
    )
    assert with_lots == without
    assert drawn.version == NONE_DRAWN.version
