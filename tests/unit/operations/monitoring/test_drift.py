import numpy as np
import pytest

from ml.operations.monitoring.drift import Drift, chance_level, compare, psi

# Ten photos in each tenth of the scores.
REFERENCE = np.repeat(np.arange(10) / 10 + 0.05, 10)


def test_the_index_is_that_of_a_table_worked_out_by_hand() -> None:
    # Shares of the reference 0.1 each. Of the night: the first bin empty (half a photo: 0.005), the
    # last double (0.2), the rest as they were.
    # (0.005 - 0.1) ln(0.05) + (0.2 - 0.1) ln(2) = 0.284594 + 0.069315
    current = np.concatenate([REFERENCE[10:], np.full(10, 0.95)])
    assert psi(REFERENCE, current) == pytest.approx(0.353909, abs=1e-6)


def test_the_same_spread_is_no_change_whatever_the_number_of_photos() -> None:
    assert psi(REFERENCE, np.tile(REFERENCE, 3)) == pytest.approx(0.0)


def test_scores_that_all_are_alike_share_a_bin() -> None:
    same = np.full(100, 0.001)
    assert psi(same, same) == pytest.approx(0.0)
    # All left the one bin for the other: (0.995 ...) both ways, half a photo standing for none.
    assert psi(same, np.zeros(100)) == pytest.approx(2 * 0.995 * np.log(200), rel=1e-6)


def test_chance_keeps_the_index_below_its_level_in_about_95_of_100_nights() -> None:
    random = np.random.default_rng(0)
    found = [psi(random.beta(1, 4, 800), random.beta(1, 4, 500)) for _ in range(600)]
    below = float(np.mean(np.array(found) < chance_level(800, 500)))
    assert below == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("index", "sign"),
    [(0.0999, "none"), (0.1, "moderate"), (0.25, "moderate"), (0.2501, "strong")],
)
def test_the_sign_follows_the_rule_of_thumb(index: float, sign: str) -> None:
    drift = Drift(index, 0.01, ("first",), 5000, 5000, (), ())
    assert drift.sign == sign


def test_few_photos_say_nothing_however_far_they_are_spread() -> None:
    drift = compare(REFERENCE, np.full(30, 0.99), ["first"])
    assert drift.psi > 0.25
    assert drift.sign == "too_few"


def test_the_histogram_is_of_shares() -> None:
    drift = compare(REFERENCE, np.full(30, 1.0), ["first"])
    assert sum(drift.reference) == pytest.approx(1.0)
    assert drift.current == (0.0,) * 19 + (1.0,)
