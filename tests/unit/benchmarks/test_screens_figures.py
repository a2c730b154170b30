import pytest

from benchmarks.screens_figures import Outcome, Share, area, effect, share
from ml.policy.verdict import Decision


def test_a_share_counts_the_hits() -> None:
    found = share([1, 2, 3, 4], lambda number: number > 3)
    assert (found.hits, found.photos, found.value) == (1, 4, 0.25)


def test_the_interval_is_the_exact_one() -> None:
    """Figures of R's binom.test(2, 10)."""
    assert Share(2, 10).interval == pytest.approx((0.02521073, 0.55609546))


def test_the_interval_reaches_the_ends() -> None:
    assert Share(0, 10).interval[0] == 0.0
    assert Share(10, 10).interval[1] == 1.0
    assert Share(0, 0).interval == (0.0, 1.0)


def test_a_share_of_nothing_shows_no_figure() -> None:
    assert str(Share(0, 0)) == "-"
    assert str(Share(1, 4)).startswith("25.0 % (")


@pytest.mark.parametrize(
    ("higher", "lower", "expected"),
    [([3.0, 4.0], [1.0, 2.0], 1.0), ([1.0], [1.0], 0.5), ([1.0, 3.0], [2.0], 0.5)],
)
def test_the_area_is_the_chance_to_be_higher(
    higher: list[float], lower: list[float], expected: float
) -> None:
    assert area(higher, lower) == pytest.approx(expected)


def test_no_area_without_both_sides() -> None:
    assert area([], [1.0]) is None
    assert area([1.0], []) is None


def test_the_effect_of_decisions() -> None:
    outcomes = [
        Outcome("violate/qr", violation=True, decision=Decision.REVIEW),
        Outcome("violate/qr", violation=True, decision=Decision.PASS),
        Outcome("violate/ad", violation=True, decision=Decision.BLOCK),
        Outcome("normal", violation=False, decision=Decision.PASS),
        Outcome("normal", violation=False, decision=Decision.REVIEW),
    ]
    found = effect(outcomes)
    assert found.recall == Share(2, 3)
    assert found.by_category == {"violate/ad": Share(1, 1), "violate/qr": Share(1, 2)}
    assert found.reviewed == Share(2, 5)
    assert found.false_review == Share(1, 2)
    assert found.leak == Share(1, 2)
