"""Estimates stay unbiased: by the spot check alone, and by the weights of all drawn photos."""

import hashlib

import numpy as np
import pytest

from ml.policy.active_learning import PassedPhoto, choose_route, learning_rates
from ml.policy.spot_check import draw_sample

PASSED, MONTHS = 1500, 120
SPOT_CHECK = 0.05
MAX_ERRORS = 4.0  # standard errors of the mean over the months: chance alone exceeds them never


def stream(seed: int) -> tuple[list[PassedPhoto], np.ndarray]:
    """Passed photos, of which the unfamiliar and uncertain ones are violations more often."""
    rng = np.random.default_rng(seed)
    scores, similarities = rng.beta(1, 12, PASSED) * 0.3, rng.uniform(0.5, 0.95, PASSED)
    leaks = rng.random(PASSED) < 0.01 + 4 * scores * (1 - similarities)
    groups = rng.integers(0, PASSED, PASSED)
    shares = rng.binomial(10, 0.05, PASSED) / 10
    described = zip(
        scores.tolist(), shares.tolist(), similarities.tolist(), groups.tolist(), strict=True
    )
    photos = [PassedPhoto(score, 0.7, near, alike, g) for score, near, alike, g in described]
    return photos, leaks


def month(seed: int, share: float) -> tuple[float, float, float, float]:
    """Errors of the leak rate by spot checks and by all weights, and plain; and drawn photos."""
    photos, leaks = stream(seed)
    rates = learning_rates(photos, share)
    key = hashlib.sha256(b"key %d" % seed).digest()
    contents = [hashlib.sha256(b"%d/%d" % (seed, n)).hexdigest() for n in range(PASSED)]
    routes = np.array(
        [
            choose_route(draw_sample(key, content), spot_check_share=SPOT_CHECK, rate=rate) or ""
            for content, rate in zip(contents, rates, strict=True)
        ]
    )
    weights, truth = 1 / (SPOT_CHECK + np.array(rates)), leaks.mean()
    checked, drawn = routes == "spot_check", routes != ""
    by_weights = (leaks * weights)[drawn].sum() / PASSED - truth
    by_checks = leaks[checked].sum() / (SPOT_CHECK * PASSED) - truth
    return by_checks, by_weights, leaks[drawn].mean() - truth, drawn.mean()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1])
def test_leak_rate_is_estimated_without_bias(share: float) -> None:
    months = np.array([month(seed, share) for seed in range(MONTHS)])
    mean, error = months.mean(axis=0), months.std(axis=0) / np.sqrt(MONTHS)
    assert abs(mean[0]) < MAX_ERRORS * error[0]
    assert abs(mean[1]) < MAX_ERRORS * error[1]
    assert mean[3] == pytest.approx(SPOT_CHECK + share, rel=0.1)
    if share:
        # The test could see a bias: without weights, the drawn photos leak more than all do.
        assert mean[2] > MAX_ERRORS * error[2]
        assert error[1] < error[0]  # more labels say more


def test_spot_check_is_the_same_with_and_without_active_learning() -> None:
    assert [month(seed, 0.0)[0] for seed in range(5)] == [month(seed, 0.1)[0] for seed in range(5)]
