import pytest

from ml.operations.leak import Audited, leak_rates

VIOLATIONS = frozenset({"violate"})


@pytest.mark.parametrize(
    ("leaked", "audited", "low", "high"),
    [
        # Exact limits as tables of Clopper and Pearson give them.
        (0, 10, 0.0, 0.308497),
        (1, 10, 0.002529, 0.445016),
        (5, 10, 0.187086, 0.812914),
        (10, 10, 0.691503, 1.0),
        (2, 100, 0.002431, 0.070384),
    ],
)
def test_the_interval_is_the_exact_one(leaked: int, audited: int, low: float, high: float) -> None:
    labels = [
        Audited("2026-11", "violate", 0.01, leaked),
        Audited("2026-11", "normal", 0.01, audited - leaked),
    ]
    (month,) = leak_rates([part for part in labels if part.labels], violations=VIOLATIONS)
    assert (month.leaked, month.audited) == (leaked, audited)
    assert month.rate == pytest.approx(leaked / audited)
    assert (month.low, month.high) == pytest.approx((low, high), abs=1e-6)


def test_each_month_has_its_own_estimate_in_order() -> None:
    labels = [Audited(month, "normal", 0.1, 3) for month in ("2026-11", "2026-09")]
    assert [m.month for m in leak_rates(labels, violations=VIOLATIONS)] == ["2026-09", "2026-11"]
    assert leak_rates([], violations=VIOLATIONS) == []


def test_a_label_that_stands_for_more_photos_weighs_more() -> None:
    # 40 labels for 100 photos each, 40 for 10 each, of which 4 leaked: 40 of 4,400 photos.
    labels = [
        Audited("2026-11", "normal", 0.01, 40),
        Audited("2026-11", "normal", 0.1, 36),
        Audited("2026-11", "violate", 0.1, 4),
    ]
    (month,) = leak_rates(labels, violations=VIOLATIONS)
    assert month.rate == pytest.approx(40 / 4400)
    assert (month.leaked, month.audited) == (4, 80)
    # As wide as 44 labels of the heavy kind make it, not as narrow as 80 would.
    assert month.high > 0.08
