"""The random audit tells the true leak rate, draws by lot, and has no say in a verdict."""

import hashlib
from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from ml.audit.random_audit import CONFIDENCE, Rate, Tally, draw, rate_of
from ml.policy.policy import Policy
from ml.policy.verdict import decide
from ml.screens.outcome import ScreenOutcome, State
from tests.support.policies import policy

MONTHS, SHARE = 100, 0.05
PASSED = 4000  # photos a month
KEY = bytes(range(32))
# Sampling noise: fewer covered months than this have one chance in a thousand, were each month
# covered with the very confidence that is promised.
ONE_IN_A_THOUSAND = 0.001


@cache
def rate(wrong: int, answered: int) -> Rate:
    return rate_of(Tally("2026-11-01", "pass", "", answered, answered, wrong))


def covers(found: Rate, truth: float) -> bool:
    return found.low <= truth <= found.high


def least(months: int) -> int:
    """Covered months that chance may leave."""
    return int(binom.ppf(ONE_IN_A_THOUSAND, months, CONFIDENCE))


def test_over_a_hundred_months_drawn_by_hash_the_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(20261101)
    covered, asked, wrong = 0, 0, 0
    for month in range(MONTHS):
        leaks = rng.random(PASSED) < rng.uniform(0.002, 0.08)
        contents = (hashlib.sha256(b"%d/%d" % (month, n)).hexdigest() for n in range(PASSED))
        drawn = np.array([draw(KEY, content).lot < SHARE for content in contents])
        answered, leaked = int(drawn.sum()), int(leaks[drawn].sum())
        covered += covers(rate(leaked, answered), float(leaks.mean()))
        asked, wrong = asked + answered, wrong + leaked
    assert covered >= least(MONTHS)
    assert 0 < wrong < asked
    assert abs(asked / (MONTHS * PASSED) - SHARE) < 0.005


def test_over_many_months_of_every_kind_the_interval_keeps_its_confidence() -> None:
    rng, months = np.random.default_rng(7), 2000
    for truth in (0.001, 0.005, 0.02, 0.1, 0.5):
        for answered in (20, 150, 1000):
            leaked = rng.binomial(answered, truth, months)
            covered = sum(covers(rate(int(k), answered), truth) for k in leaked)
            assert covered >= least(months), (truth, answered, covered)


def test_the_interval_says_something() -> None:
    """It covers, yet not by being wide: of a thousand answers it knows the rate to 2 points."""
    found = rate(50, 1000)
    assert found.high - found.low < 0.03
    assert not covers(found, 0.02)
    assert not covers(found, 0.08)


CLASSES = policy(weapon=0.8, qr=None, ad=0.95)
parts = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any)
half = st.floats(0.0, 0.5)
outcomes = st.builds(
    lambda state: ScreenOutcome("duplicates", state, "found", None),
    st.sampled_from([State.FIRED, State.QUIET, State.UNKNOWN]),
)


def drawing(passed: float, blocked: float) -> Policy:
    raw = CLASSES.model_dump(mode="json")
    raw["screens"] = {"duplicates": {"enabled": True}}
    return Policy.model_validate({**raw, "random_audit": {"passed": passed, "blocked": blocked}})


NONE_DRAWN = drawing(0.0, 0.0)


shares = st.builds(drawing, half, half)


@given(parts, shares, outcomes, st.sampled_from([None, *CLASSES.classes]), st.floats(0.5, 1))
def test_the_shares_change_neither_verdict_nor_version(
    weights: list[int],
    drawn: Policy,
    outcome: ScreenOutcome,
    earlier: str | None,
    cut_off: float,
) -> None:
    scores = {n: w / sum(weights) for n, w in zip(sorted(CLASSES.classes), weights, strict=True)}
    with_lots, without = (
        decide(
            scores,
            pass_confidence=cut_off,
            policy=rule,
            screens={"duplicates": outcome},
            earlier=earlier,
        )
        for rule in (drawn, NONE_DRAWN)
    )
    assert with_lots == without
    assert drawn.version == NONE_DRAWN.version
