import numpy as np
import pytest

from ml.models.evaluation.leak_curve import LeakPoint
from ml.models.evaluation.trade_off_plots import draw_leak_curve, trade_off
from tests.unit.models.evaluation.test_plots import CANDIDATE, PHOTOS, POLICY


def test_trade_off_covers_all_thresholds() -> None:
    figure = trade_off(PHOTOS, {"candidate": CANDIDATE}, POLICY)
    line, dot = figure.axes[0].get_lines()
    assert line.get_xydata().tolist() == [
        [1.0, 0.0], [0.75, 0.0], [0.5, pytest.approx(1 / 3)], [0.25, pytest.approx(2 / 3)],
    ]  # fmt: skip
    assert dot.get_xydata().tolist() == [[0.5, pytest.approx(1 / 3)]]


def test_leak_curve_has_interval_bound_and_the_threshold_in_use() -> None:
    points = [LeakPoint(0.5, 0.1, 0.04, 0.02, 0.07), LeakPoint(0.9, 0.4, 0.01, 0.0, 0.03)]
    axes = draw_leak_curve(points, used=points[1], rate=0.03).axes[0]
    curve, dot, bound = axes.get_lines()
    assert np.asarray(curve.get_xydata()).tolist() == [[0.1, 0.04], [0.4, 0.01]]
    assert np.asarray(dot.get_xydata()).tolist() == [[0.4, 0.01]]
    assert set(np.asarray(bound.get_ydata()).tolist()) == {0.03}
    edges = np.asarray(axes.collections[0].get_paths()[0].vertices)
    assert (edges[:, 1].min(), edges[:, 1].max()) == pytest.approx((0.0, 0.07))
