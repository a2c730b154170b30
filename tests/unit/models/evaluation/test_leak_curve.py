import numpy as np
import pytest

from ml.core.stats import upper_bound
from ml.models.evaluation.calibration import GRID, solve_threshold
from ml.models.evaluation.held_out_labels import HeldOutLabels, hold_out
from ml.models.evaluation.leak_curve import (
    count_needed_labels,
    leak_curve,
    leaks_everywhere,
    measure,
)


def _labels(photos: int, *, violations: float = 0.2, leaks: float = 0.01) -> HeldOutLabels:
    """Violations score 0.9, the others 0.02 to 0.4; `leaks` of these are violations, too."""
    rng = np.random.default_rng(0)
    side = rng.random(photos) < violations
    scores = np.where(side, 0.9, rng.uniform(0.02, 0.4, photos))
    return hold_out(scores, side | (rng.random(photos) < leaks), np.ones(photos))


def test_curve_trades_review_for_leaks_by_threshold() -> None:
    points = leak_curve(_labels(2000))
    assert [point.pass_confidence for point in points] == list(GRID)
    shares = [point.review_share for point in points]
    assert shares == sorted(shares)
    assert all(p.low <= p.leak_rate <= p.high for p in points)
    assert points[0].review_share == pytest.approx(0.2, abs=0.03)
    assert points[0].leak_rate == pytest.approx(0.01, abs=0.006)


def test_interval_narrows_with_labels_and_says_nothing_where_none_passes() -> None:
    few, many = (measure(_labels(photos), 0.5) for photos in (200, 5000))
    assert many.high - many.low < (few.high - few.low) / 3
    nothing = measure(_labels(200), 1.0)
    assert (nothing.review_share, nothing.leak_rate) == (1.0, 0.0)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


@pytest.mark.parametrize("leaks", [0.0, 0.005, 0.015])
def test_needed_labels_prove_the_bound_and_fewer_do_not(leaks: float) -> None:
    labels = _labels(20_000, leaks=leaks)
    needed = count_needed_labels(labels, rate=0.03, confidence=0.95)
    assert needed is not None
    # The same counts, as if there were so many labels.
    bounds = []
    for number in (needed, needed - 20):
        counts = np.array([labels.counts(t) for t in GRID]) * number / len(labels.weights)
        confidence = 1 - 0.05 / len(GRID)
        bounds.append(min(upper_bound(counts[:, 1], counts[:, 0], confidence)))
    assert bounds[0] <= 0.03 < bounds[1]


def test_needed_labels_of_a_solved_threshold_are_not_more_than_there_are() -> None:
    labels = _labels(2000, leaks=0.003)
    found = solve_threshold(labels, rate=0.03, confidence=0.95, default=0.7)
    assert found.evidence is not None
    needed = count_needed_labels(labels, rate=0.03, confidence=0.95)
    assert needed is not None
    assert needed <= len(labels.weights)


def test_no_number_of_labels_proves_a_bound_that_every_threshold_exceeds() -> None:
    assert count_needed_labels(_labels(2000, leaks=0.3), rate=0.03, confidence=0.95) is None


@pytest.mark.parametrize(("photos", "leaks", "expected"), [(20, 0.0, False), (2000, 0.3, True)])
def test_too_few_labels_are_told_from_labels_that_leak(
    photos: int, leaks: float, expected: bool
) -> None:
    labels = _labels(photos, leaks=leaks)
    assert count_needed_labels(labels, rate=0.03, confidence=0.95) is None
    assert leaks_everywhere(labels, rate=0.03) is expected
