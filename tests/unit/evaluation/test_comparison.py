import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.evaluation.comparison import PairedTest, paired


def table(both: int, gained: int, lost: int, neither: int) -> PairedTest:
    counts = [both, gained, lost, neither]
    return paired(
        np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)
    )


def test_a_hand_computed_table() -> None:
    found = table(80, 10, 2, 8)
    assert (found.photos, found.gained, found.lost) == (100, 10, 2)
    assert found.difference == pytest.approx(0.08)
    # Twice the ways to get 0, 1 or 2 tails in 12 throws: 1, 12 and 66.
    assert found.p_value == pytest.approx(158 / 4096)
    # The centre is 8/102, the half width 1.96/102 of the root of 13 less 64/102.
    assert (found.low, found.high) == pytest.approx((0.010842, 0.146020), abs=1e-5)


def test_versions_that_never_differ_still_have_a_wide_interval_on_few_photos() -> None:
    found = table(3, 0, 0, 1)
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.low < -0.2
    assert found.high > 0.2


def test_no_photos_tell_nothing() -> None:
    found = table(0, 0, 0, 0).to_dict()
    assert found == {
        "photos": 0, "gained": 0, "lost": 0,
        "difference": 0.0, "low": -1.0, "high": 1.0, "p_value": 1.0,
    }  # fmt: skip


cells = st.integers(0, 40)


@given(cells, cells, cells, cells)
def test_swapping_the_two_mirrors_the_result(both: int, gained: int, lost: int, rest: int) -> None:
    one, other = table(both, gained, lost, rest), table(both, lost, gained, rest)
    assert one.p_value == other.p_value
    assert one.difference == -other.difference
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert -1.0 <= one.low <= one.difference + 1e-12
    assert one.difference - 1e-12 <= one.high <= 1.0


@given(cells, cells, cells, cells)
def test_a_photo_lost_more_never_looks_better(both: int, gained: int, lost: int, rest: int) -> None:
    before, after = table(both + 1, gained, lost, rest), table(both, gained, lost + 1, rest)
    assert after.difference < before.difference
    if before.difference <= 0:
        assert after.p_value <= before.p_value + 1e-12


@pytest.mark.parametrize("chances", [(0.85, 0.05, 0.05, 0.05), (0.7, 0.08, 0.02, 0.2)])
@pytest.mark.parametrize("photos", [50, 400])
def test_the_interval_covers_the_truth(chances: tuple[float, ...], photos: int) -> None:
    rng = np.random.default_rng(3)
    truth = chances[1] - chances[2]
    months = [table(*map(int, rng.multinomial(photos, chances))) for _ in range(1000)]
    assert np.mean([m.low <= truth <= m.high for m in months]) > 0.935


def test_two_versions_alike_differ_at_five_per_cent_in_few_months() -> None:
    rng = np.random.default_rng(4)
    months = [table(*map(int, rng.multinomial(300, (0.8, 0.06, 0.06, 0.08)))) for _ in range(1000)]
    assert np.mean([m.p_value < 0.05 for m in months]) <= 0.05
