import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.core.stats import lower_bound, upper_bound
from ml.models.bound_state import KEPT_REVIEW_SHARE, SOLVED, TOO_FEW, TOO_LEAKY, find_bound_state
from ml.models.card import Thresholds
from ml.models.evaluation.calibration import (
    GRID,
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    fit_temperature,
    keep_review_share,
    solve_threshold,
)
from ml.models.evaluation.held_out_labels import hold_out, review_share
from ml.models.predictor import apply_temperature
from ml.policy.verdict import Decision, decide
from tests.support.policies import policy


def _drawn(temperature: float, photos: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose labels are drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(7)
    logits = rng.normal(0.0, 3.0, (photos, 3))
    chances = apply_temperature(logits, temperature)
    labels = (rng.random((photos, 1)) > chances.cumsum(axis=1)[:, :2]).sum(axis=1)
    return logits, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fit_temperature_recovers_the_temperature_of_the_labels(temperature: float) -> None:
    # Sampling error at 20,000 photos is about 1 %.
    assert fit_temperature(*_drawn(temperature)) == pytest.approx(temperature, rel=0.05)


def test_fit_temperature_lowers_the_loss_of_an_overconfident_network() -> None:
    logits, labels = _drawn(3.0)
    rows = np.arange(len(labels))

    def nll(t: float) -> float:
        return float(-np.log(apply_temperature(logits, t)[rows, labels]).mean())

    assert nll(fit_temperature(logits, labels)) < nll(1.0) - 0.1


def test_fit_temperature_of_perfect_separation_is_the_minimum() -> None:
    logits = np.array([[4.0, -4.0], [-4.0, 4.0]] * 20)
    actual = fit_temperature(logits, np.array([0, 1] * 20))
    assert actual == pytest.approx(MIN_TEMPERATURE, rel=0.01)


def test_fit_temperature_of_random_predictions_is_the_maximum() -> None:
    logits = np.array([[4.0, -4.0]] * 40)
    actual = fit_temperature(logits, np.array([0, 1] * 20))
    assert actual == pytest.approx(MAX_TEMPERATURE, rel=0.01)


def test_fit_temperature_of_too_few_photos_is_one() -> None:
    assert fit_temperature(np.array([[4.0, -4.0]] * 19), np.zeros(19, dtype=np.int64)) == 1.0


@given(
    st.lists(st.lists(st.integers(-500, 500), min_size=3, max_size=3), min_size=1, max_size=20),
    st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE),
)
def test_apply_temperature_keeps_the_predicted_class_and_rows_sum_to_one(
    rows: list[list[int]], temperature: float
) -> None:
    logits = np.array(rows) / 10
    actual = apply_temperature(logits, temperature)
    assert actual.sum(axis=1) == pytest.approx(1.0)
    top = actual[np.arange(len(rows)), logits.argmax(axis=1)]
    assert (top == actual.max(axis=1)).all()


def solve(scores: np.ndarray, truth: np.ndarray, rate: float = 0.03) -> Thresholds:
    labels = hold_out(scores, truth, np.ones(len(scores)))
    return solve_threshold(labels, rate=rate, confidence=0.95, default=0.7)


def one_bound(function, leaked: float, passed: float) -> float:  # noqa: ANN001 - either bound
    return float(function(np.array([leaked]), np.array([passed]), 0.975)[0])


def test_binomial_bounds_equal_tabled_clopper_pearson_values() -> None:
    # The two-sided 95 % interval of 10 of 100, as tabled: 4.90 % to 17.62 %.
    assert one_bound(lower_bound, 10, 100) == pytest.approx(0.0490, abs=5e-5)
    assert one_bound(upper_bound, 10, 100) == pytest.approx(0.1762, abs=5e-5)
    assert one_bound(upper_bound, 0, 100) == pytest.approx(1 - 0.025 ** (1 / 100))
    assert one_bound(lower_bound, 0, 100) == 0.0
    assert one_bound(upper_bound, 5, 5) == one_bound(upper_bound, 0, 0) == 1.0


def test_solve_threshold_returns_the_lowest_valid_threshold_with_evidence() -> None:
    # 1,000 clean photos, and 300 violations that pass up to 0.80 but not from 0.85.
    scores = np.repeat([0.01, 0.18], [1000, 300])
    actual = solve(scores, scores > 0.1)
    assert actual.pass_confidence == 0.85
    assert actual.source.startswith(SOLVED)
    evidence = actual.evidence
    assert evidence is not None
    assert (evidence.photos, evidence.passed, evidence.leaked) == (1300, 1000.0, 0.0)
    assert evidence.upper_bound == pytest.approx(1 - (0.05 / len(GRID)) ** (1 / 1000))
    assert evidence.review_rate == pytest.approx(300 / 1300)


def test_solve_threshold_with_too_few_labels_returns_the_default_and_the_required_number() -> None:
    actual = solve(np.full(100, 0.01), np.zeros(100, dtype=bool))
    assert (actual.pass_confidence, actual.evidence) == (0.7, None)
    assert actual.source.startswith(TOO_FEW)
    assert "180 passed labels" in actual.source
    assert solve(np.full(180, 0.01), np.zeros(180, dtype=bool)).evidence is not None
    assert solve(np.full(179, 0.01), np.zeros(179, dtype=bool)).evidence is None


def test_solve_threshold_without_labels_returns_the_default() -> None:
    actual = solve(np.zeros(0), np.zeros(0, dtype=bool))
    assert (actual.pass_confidence, actual.evidence) == (0.7, None)
    assert actual.source.startswith(TOO_FEW)


def test_solve_threshold_reports_a_default_that_is_shown_to_leak() -> None:
    truth = np.arange(1000) % 10 == 0
    assert solve(np.full(1000, 0.005), truth).source.startswith(TOO_LEAKY)


def test_solve_threshold_counts_no_score_of_one_half_as_passed() -> None:
    half = solve(np.full(1000, 0.5), np.zeros(1000, dtype=bool))
    assert half.evidence is None


@pytest.mark.parametrize("threshold", GRID)
def test_solve_threshold_counts_as_passed_what_the_verdict_passes(threshold: float) -> None:
    rule = policy(violate=None)
    near = [1.0 - threshold, np.nextafter(1.0 - threshold, 0), np.nextafter(1.0 - threshold, 1)]
    for score in near:
        verdict = decide(
            {"normal": 1.0 - score, "violate": score}, pass_confidence=threshold, policy=rule
        )
        # 1,000 photos of this score alone: solved at `threshold` or below where they pass there.
        actual = solve(np.full(1000, score), np.zeros(1000, dtype=bool))
        solved = actual.evidence is not None and actual.pass_confidence <= threshold
        if verdict.decision is Decision.PASS:
            assert solved
        elif actual.evidence is not None:
            assert actual.pass_confidence < threshold


@pytest.mark.parametrize(
    ("share", "expected"), [(0.1, 0.8), (0.37, 0.8), (0.5, 0.91), (0.75, 0.96), (1.0, 1.0)]
)
def test_threshold_that_keeps_a_review_share_is_never_below_the_one_given(
    share: float, expected: float
) -> None:
    given_one = Thresholds(pass_confidence=0.8, source=f"{TOO_LEAKY}: ...")
    scores = np.array([0.0, 0.045, 0.095, 0.3])  # a photo passes up to 1 minus its score
    weights = np.array([1.0, 1.0, 0.5, 1.5])
    actual = keep_review_share(given_one, scores, weights, share=share)
    assert actual.pass_confidence == expected
    assert review_share(scores, weights, actual.pass_confidence) >= share or expected == 1.0
    assert find_bound_state(actual.model_dump()) == "not_met"
    assert actual.source.startswith(KEPT_REVIEW_SHARE if expected > 0.8 else TOO_LEAKY)


@pytest.mark.parametrize("source", [TOO_LEAKY, TOO_FEW, SOLVED])
def test_threshold_that_keeps_a_review_share_never_claims_what_another_one_showed(
    source: str,
) -> None:
    given_one = Thresholds(pass_confidence=0.5, source=f"{source}: why")
    actual = keep_review_share(given_one, np.array([0.0, 0.3]), np.ones(2), share=0.5)
    assert (actual.pass_confidence, actual.evidence) == (0.71, None)
    assert find_bound_state(actual.model_dump()) == "not_met"
    assert actual.source.endswith(": why")


def test_bound_state_follows_from_evidence_and_source() -> None:
    states = [
        find_bound_state({"source": source, "evidence": evidence})
        for source, evidence in [
            (SOLVED, {"photos": 900}), (f"{TOO_FEW}: 12", None), (f"{TOO_LEAKY}: ...", None),
            ("policy default", None),
        ]
    ]  # fmt: skip
    assert states == ["met", "not_proven", "not_met", None]
