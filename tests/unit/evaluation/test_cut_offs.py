import numpy as np
import pytest

from ml.evaluation.cut_offs import (
    GRID,
    SOLVED,
    TOO_FEW,
    TOO_LEAKY,
    lower_bound,
    solve_cut_off,
    upper_bound,
)
from ml.model.card import CutOffs
from ml.policy.verdict import Decision, decide
from tests.support.policies import policy


def solve(scores: np.ndarray, truth: np.ndarray, rate: float = 0.03) -> CutOffs:
    return solve_cut_off(
        scores, truth, np.ones(len(scores)), rate=rate, confidence=0.95, default=0.7
    )


def one_bound(function, leaked: float, passed: float) -> float:  # noqa: ANN001 - either bound
    return float(function(np.array([leaked]), np.array([passed]), 0.975)[0])


def test_the_bounds_are_clopper_and_pearsons() -> None:
    # The two-sided 95 % interval of 10 of 100, as tabled: 4.90 % to 17.62 %.
    assert one_bound(lower_bound, 10, 100) == pytest.approx(0.0490, abs=5e-5)
    assert one_bound(upper_bound, 10, 100) == pytest.approx(0.1762, abs=5e-5)
    assert one_bound(upper_bound, 0, 100) == pytest.approx(1 - 0.025 ** (1 / 100))
    assert one_bound(lower_bound, 0, 100) == 0.0
    assert one_bound(upper_bound, 5, 5) == one_bound(upper_bound, 0, 0) == 1.0


def test_the_lowest_holding_cut_off_is_taken_with_its_evidence() -> None:
    # 1,000 clean photos, and 300 violations that pass up to 0.80 but not from 0.85.
    scores = np.repeat([0.01, 0.18], [1000, 300])
    found = solve(scores, scores > 0.1)
    assert found.pass_confidence == 0.85
    assert found.source.startswith(SOLVED)
    evidence = found.evidence
    assert evidence is not None
    assert (evidence.photos, evidence.passed, evidence.leaked) == (1300, 1000.0, 0.0)
    assert evidence.upper_bound == pytest.approx(1 - (0.05 / len(GRID)) ** (1 / 1000))
    assert evidence.review_rate == pytest.approx(300 / 1300)


def test_too_few_labels_keep_the_default_and_say_how_many_it_takes() -> None:
    found = solve(np.full(100, 0.01), np.zeros(100, dtype=bool))
    assert (found.pass_confidence, found.evidence) == (0.7, None)
    assert found.source.startswith(TOO_FEW)
    assert "180 passed labels" in found.source
    assert solve(np.full(180, 0.01), np.zeros(180, dtype=bool)).evidence is not None
    assert solve(np.full(179, 0.01), np.zeros(179, dtype=bool)).evidence is None


def test_no_labels_at_all() -> None:
    found = solve(np.zeros(0), np.zeros(0, dtype=bool))
    assert (found.pass_confidence, found.evidence) == (0.7, None)
    assert found.source.startswith(TOO_FEW)


def test_a_default_that_is_shown_to_leak_is_said_to() -> None:
    truth = np.arange(1000) % 10 == 0
    assert solve(np.full(1000, 0.005), truth).source.startswith(TOO_LEAKY)


def test_nothing_passes_from_even_odds_on() -> None:
    half = solve(np.full(1000, 0.5), np.zeros(1000, dtype=bool))
    assert half.evidence is None


@pytest.mark.parametrize("cut_off", GRID)
def test_what_counts_as_passed_is_what_the_verdict_passes(cut_off: float) -> None:
    rule = policy(violate=None)
    near = [1.0 - cut_off, np.nextafter(1.0 - cut_off, 0), np.nextafter(1.0 - cut_off, 1)]
    for score in near:
        verdict = decide(
            {"normal": 1.0 - score, "violate": score}, pass_confidence=cut_off, policy=rule
        )
        # 1,000 photos of this score alone: solved at `cut_off` or below where they pass there.
        found = solve(np.full(1000, score), np.zeros(1000, dtype=bool))
        solved = found.evidence is not None and found.pass_confidence <= cut_off
        if verdict.decision is Decision.PASS:
            assert solved
        elif found.evidence is not None:
            assert found.pass_confidence < cut_off
