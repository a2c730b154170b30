import numpy as np
import pytest

from ml.models.evaluation.model_comparison import ModelScores, Photos
from ml.models.evaluation.report_plots import draw_report_plots, trade_off
from tests.support.policies import policy

POLICY = policy(violate=None)
# True classes: normal, then three violations.
PHOTOS = Photos(np.array([0, 1, 1, 1]), ["normal", "qr", "qr", "ad"], {"route": ["import"] * 4})


def scores(*violation: float) -> ModelScores:
    columns = np.array(violation)
    return ModelScores(np.stack([1 - columns, columns], axis=1), 0.7)


CANDIDATE = scores(0.1, 0.2, 0.9, 0.4)
CHAMPION = scores(0.1, 0.8, 0.25, 0.05)


def test_trade_off_covers_all_thresholds() -> None:
    figure = trade_off(PHOTOS, {"candidate": CANDIDATE}, POLICY)
    line, dot = figure.axes[0].get_lines()
    assert line.get_xydata().tolist() == [
        [1.0, 0.0], [0.75, 0.0], [0.5, pytest.approx(1 / 3)], [0.25, pytest.approx(2 / 3)],
    ]  # fmt: skip
    assert dot.get_xydata().tolist() == [[0.5, pytest.approx(1 / 3)]]


def test_draw_report_plots_draws_both_models_and_training_curves_if_any() -> None:
    alone = draw_report_plots(PHOTOS, candidate=CANDIDATE, champion=None, policy=POLICY, curves={})
    assert set(alone) == {
        "trade_off", "confusion_candidate", "reliability_candidate", "precision_recall_candidate",
    }  # fmt: skip
    names = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
    curves = {name: [0.5, 0.4] for name in names}
    both = draw_report_plots(
        PHOTOS, candidate=CANDIDATE, champion=CHAMPION, policy=POLICY, curves=curves
    )
    assert set(both) - set(alone) == {
        "confusion_champion", "reliability_champion", "precision_recall_champion", "training",
    }  # fmt: skip
    assert all(data.startswith(b"\x89PNG") for data in both.values())
