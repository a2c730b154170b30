import numpy as np
import pytest

from benchmarks.ranking_measures import measure_ranking

VIOLATIONS = np.array([True] * 100 + [False] * 100)


def test_perfect_ranking_leaks_nothing() -> None:
    scores = np.r_[np.linspace(0.9, 1.0, 100), np.linspace(0.0, 0.1, 100)]
    found = measure_ranking(VIOLATIONS, scores)
    assert found == pytest.approx({"area": 1.0, "recall": 1.0, "leak": 0.0})


def test_equal_scores_rank_by_chance() -> None:
    found = measure_ranking(VIOLATIONS, np.full(200, 0.5))
    # A random 5 % of the stream is reviewed: 95 % of its 2 % violations are in the other 95 %.
    assert found == pytest.approx({"area": 0.5, "recall": 0.05, "leak": 0.02})


def test_leak_weights_the_rates_by_the_stream_and_not_by_the_test_photos() -> None:
    # 60 violations come first, then all normal photos, then the other 40 violations. Reviewing 5 %
    # of the stream takes the 60 (1.2 %) and 3.8 points of normal photos.
    scores = np.r_[np.full(60, 0.9), np.full(40, 0.1), np.full(100, 0.5)]
    found = measure_ranking(VIOLATIONS, scores)
    assert found["recall"] == pytest.approx(0.6)
    assert found["leak"] == pytest.approx(0.02 * 0.4 / 0.95)
