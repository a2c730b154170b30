"""Invariant 4 from the side of the scores: a worse photo is never treated more mildly."""

from hypothesis import example, given
from hypothesis import strategies as st

from ml.policy.policy import Policy
from ml.policy.verdict import Decision, decide
from tests.support.policies import policy

TWO = policy(violate=0.9)
FOUR = policy(weapon=0.8, qr=None, ad=0.95)
cut_offs = st.floats(0.5, 1.0)
shares = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any)


def severity(rule: Policy, violations: dict[str, float], pass_confidence: float) -> int:
    scores = {"normal": max(0.0, 1.0 - sum(violations.values())), **violations}
    return decide(scores, pass_confidence=pass_confidence, policy=rule).decision.severity


@given(st.floats(0, 1), st.floats(0, 1), cut_offs)
def test_two_classes_more_violation_is_never_milder(a: float, b: float, cut_off: float) -> None:
    less, more = sorted((a, b))
    milder = severity(TWO, {"violate": less}, cut_off)
    assert milder <= severity(TWO, {"violate": more}, cut_off)


@given(shares, st.sampled_from(sorted(FOUR.violations)), st.floats(0, 1), cut_offs)
def test_many_classes_mass_moved_to_a_violation_is_never_milder(
    parts: list[int], name: str, moved: float, cut_off: float
) -> None:
    normal, *rest = (part / sum(parts) for part in parts)
    before = dict(zip(sorted(FOUR.violations), rest, strict=True))
    after = before | {name: before[name] + moved * normal}
    assert severity(FOUR, before, cut_off) <= severity(FOUR, after, cut_off)


@given(st.floats(0.5, 1.0, exclude_min=True), cut_offs)
@example(0.5000000000000001, 0.5)
def test_a_likely_violation_never_passes(violation: float, cut_off: float) -> None:
    assert severity(TWO, {"violate": violation}, cut_off) > Decision.PASS.severity


def test_even_odds_do_not_pass_under_the_lowest_cut_off() -> None:
    assert severity(TWO, {"violate": 0.5}, 0.5) == Decision.REVIEW.severity
