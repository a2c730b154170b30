import pytest

from benchmarks.screens_figures import LabelledDecision, Share, roc_auc, share, summarize_decisions
from ml.policy.verdict import Decision


def test_share_counts_the_hits() -> None:
    found = share([1, 2, 3, 4], lambda number: number > 3)
    assert (found.hits, found.photos, found.value) == (1, 4, 0.25)


def test_share_interval_is_clopper_pearson() -> None:
    """Figures of R's binom.test(2, 10)."""
    assert Share(2, 10).interval == pytest.approx((0.02521073, 0.55609546))


def test_share_interval_reaches_zero_and_one() -> None:
    assert Share(0, 10).interval[0] == 0.0
    assert Share(10, 10).interval[1] == 1.0
    assert Share(0, 0).interval == (0.0, 1.0)


def test_share_without_photos_is_shown_as_a_dash() -> None:
    assert str(Share(0, 0)) == "-"
    assert str(Share(1, 4)).startswith("25.0 % (")


@pytest.mark.parametrize(
    ("higher", "lower", "expected"),
    [([3.0, 4.0], [1.0, 2.0], 1.0), ([1.0], [1.0], 0.5), ([1.0, 3.0], [2.0], 0.5)],
)
def test_roc_auc_is_the_probability_of_a_correct_order(
    higher: list[float], lower: list[float], expected: float
) -> None:
    assert roc_auc(higher, lower) == pytest.approx(expected)


def test_roc_auc_is_none_without_both_classes() -> None:
    assert roc_auc([], [1.0]) is None
    assert roc_auc([1.0], []) is None


def test_summarize_decisions_counts_each_rate() -> None:
    outcomes = [
        LabelledDecision("violate/qr", violation=True, decision=Decision.REVIEW),
        LabelledDecision("violate/qr", violation=True, decision=Decision.PASS),
        LabelledDecision("violate/ad", violation=True, decision=Decision.BLOCK),
        LabelledDecision("normal", violation=False, decision=Decision.PASS),
        LabelledDecision("normal", violation=False, decision=Decision.REVIEW),
    ]
    found = summarize_decisions(outcomes)
    assert found.recall == Share(2, 3)
    assert found.by_category == {"violate/ad": Share(1, 1), "violate/qr": Share(1, 2)}
    assert found.reviewed == Share(2, 5)
    assert found.false_review == Share(1, 2)
    assert found.leak == Share(1, 2)
