import numpy as np
import pytest

from ml.operations.monitoring.drift import Drift, chance_level, compare, psi

# Ten photos in each tenth of the scores.
REFERENCE = np.repeat(np.arange(10) / 10 + 0.05, 10)


def test_index_equals_a_manual_calculation() -> None:
    # Shares of the reference are 0.1 each. In the run the first bin is empty (half a photo: 0.005),
    # the last is doubled (0.2), the rest are equal.
    # (0.005 - 0.1) ln(0.05) + (0.2 - 0.1) ln(2) = 0.284594 + 0.069315
    current = np.concatenate([REFERENCE[10:], np.full(10, 0.95)])
    assert psi(REFERENCE, current) == pytest.approx(0.353909, abs=1e-6)


def test_same_distribution_is_no_change_for_any_number_of_photos() -> None:
    assert psi(REFERENCE, np.tile(REFERENCE, 3)) == pytest.approx(0.0)


def test_equal_scores_share_a_bin() -> None:
    same = np.full(100, 0.001)
    assert psi(same, same) == pytest.approx(0.0)
    # All moved to the other bin: 0.995 each way, an empty bin counts as half a photo.
    assert psi(same, np.zeros(100)) == pytest.approx(2 * 0.995 * np.log(200), rel=1e-6)


def test_index_without_change_is_below_chance_level_in_95_percent() -> None:
    random = np.random.default_rng(0)
    found = [psi(random.beta(1, 4, 800), random.beta(1, 4, 500)) for _ in range(600)]
    below = float(np.mean(np.array(found) < chance_level(800, 500)))
    assert below == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("index", "sign"),
    [(0.0999, "none"), (0.1, "moderate"), (0.25, "moderate"), (0.2501, "strong")],
)
def test_sign_follows_the_rule_of_thumb(index: float, sign: str) -> None:
    drift = Drift(index, 0.01, ("first",), 5000, 5000, (), ())
    assert drift.sign == sign


def test_few_photos_have_sign_too_few() -> None:
    drift = compare(REFERENCE, np.full(30, 0.99), ["first"])
    assert drift.psi > 0.25
    assert drift.sign == "too_few"


def test_histogram_has_shares() -> None:
    drift = compare(REFERENCE, np.full(30, 1.0), ["first"])
    assert sum(drift.reference) == pytest.approx(1.0)
    assert drift.current == (0.0,) * 19 + (1.0,)
