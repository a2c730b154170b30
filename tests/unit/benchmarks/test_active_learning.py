import numpy as np
import pytest

from benchmarks.active_learning_months import (
    ACTIVE,
    MONTHS,
    RANDOM,
    LabelledPhotos,
    Month,
    Shop,
    simulate_months,
)
from benchmarks.active_learning_table import format_report, gain, needed_share

PHOTOS, FEATURES = 2600, 16


def _photos() -> LabelledPhotos:
    """Normal photos around one point, and two kinds of violations around others."""
    rng = np.random.default_rng(0)
    kinds = rng.choice(["normal", "ad", "weapon"], PHOTOS, p=[0.9, 0.05, 0.05])
    centers = {name: rng.normal(0, 1, FEATURES) for name in ("normal", "ad", "weapon")}
    features = np.stack([centers[kind] for kind in kinds]) + rng.normal(0, 1, (PHOTOS, FEATURES))
    targets = (kinds != "normal").astype(np.int64)
    return LabelledPhotos(np.abs(features), targets, kinds, np.arange(PHOTOS))


@pytest.mark.parametrize("draw", [RANDOM, ACTIVE])
def test_simulated_months_draw_the_share_and_improve(draw: str) -> None:
    months = simulate_months(_photos(), Shop(0.1, absent="weapon"), draw=draw, seed=3)
    assert len(months) == MONTHS + 1
    assert months[0].drawn == 0
    # A tenth, and the spot check's hundredth, of the 90 % of 300 photos a month that pass.
    assert months[-1].drawn == pytest.approx(MONTHS * 300 * 0.9 * 0.11, rel=0.3)
    assert months[-1].area > months[0].area
    assert simulate_months(_photos(), Shop(0.1, "weapon"), draw=draw, seed=3) == months


def _runs(*areas: float) -> list[list[Month]]:
    return [[Month(10 * n, area, 0.5) for n, area in enumerate(areas)]] * 2


def test_needed_share_is_read_between_months() -> None:
    random = _runs(0.6, 0.7, 0.8)
    assert needed_share(random, _runs(0.6, 0.8, 0.9)) == pytest.approx(0.5)
    assert needed_share(random, _runs(0.6, 0.7, 0.9)) == pytest.approx(0.75)
    assert needed_share(random, _runs(0.6, 0.7, 0.79)) is None


def test_report_has_a_row_for_each_draw_and_the_comparison() -> None:
    random, active = _runs(0.6, 0.7, 0.8), _runs(0.6, 0.8, 0.9)
    assert gain(random, active) == pytest.approx((0.1, 0.0))
    report = format_report(
        {Shop(0.05, "ad"): {RANDOM: random, ACTIVE: active}}, photos=3, months=2, made="today"
    )
    assert "| ad | 0.05 | random | 20 | 0.6000 | 0.7000 | 0.8000 | 0.500 |" in report
    assert "| ad | 0.05 | +0.1000 ± 0.0000 | 50% of the labels |" in report
