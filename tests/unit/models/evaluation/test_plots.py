from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ml.models.evaluation.model_comparison import ModelScores, Photos
from ml.models.evaluation.plots import (
    confusion,
    draw_report_plots,
    plot_all,
    precision_recall,
    reliability,
    roc,
    training,
)
from tests.support.policies import policy

_CLASSES = ("normal", "violate")
# truth:        normal      normal      violate     violate
_ROWS = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
_LABELS = np.array([0, 0, 1, 1])
_CURVES = {
    "train_loss": [0.7, 0.4],
    "validation_loss": [0.6, 0.5],
    "train_accuracy": [0.6, 0.8],
    "validation_accuracy": [0.7, 0.75],
}


def _legend(figure: Figure) -> list[str]:
    legend = figure.axes[0].get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_plot_all_writes_png_files_without_a_display(tmp_path: Path) -> None:
    plot_all(_ROWS, _LABELS, classes=_CLASSES, curves=_CURVES, folder=tmp_path / "plots")
    paths = list((tmp_path / "plots").iterdir())
    assert sorted(p.name for p in paths) == [
        "confusion.png",
        "precision_recall.png",
        "reliability.png",
        "roc.png",
        "training.png",
    ]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)


def test_confusion_plot_has_true_classes_by_row_and_predictions_by_column() -> None:
    axes = confusion(_ROWS, _LABELS, _CLASSES).axes[0]
    texts = {text.get_position(): text.get_text() for text in axes.texts}  # (column, row)
    assert texts == {
        (0, 0): "1\n50.0%",
        (1, 0): "1\n50.0%",
        (0, 1): "0\n0.0%",
        (1, 1): "2\n100.0%",
    }
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


def test_curve_legends_show_the_areas() -> None:
    # Every violation scores above every normal photo.
    assert _legend(roc(_ROWS, _LABELS, _CLASSES)) == ["normal: area 1.000", "violate: area 1.000"]
    actual = _legend(precision_recall(_ROWS, _LABELS, _CLASSES))
    assert actual == ["normal: average 1.000", "violate: average 1.000"]


def test_plots_omit_the_curve_of_a_class_without_photos() -> None:
    rows = np.hstack([_ROWS, np.zeros((4, 1))])
    classes = (*_CLASSES, "weapon")
    assert len(_legend(roc(rows, _LABELS, classes))) == 2
    assert _legend(precision_recall(_ROWS[:2], _LABELS[:2], _CLASSES)) == []
    confusion(rows, _LABELS, classes)


def test_reliability_plot_has_a_point_per_bin() -> None:
    figure = reliability(_ROWS, _LABELS)
    points = np.asarray(figure.axes[0].collections[0].get_offsets())
    # Confidences 0.6 (wrong), 0.7, 0.8, 0.9 (right) lie in four of the fifteen bins.
    assert points == pytest.approx(np.array([[0.6, 0], [0.7, 1], [0.8, 1], [0.9, 1]]))


def test_training_plot_starts_at_epoch_one() -> None:
    losses, accuracies = training(_CURVES).axes
    assert [list(line.get_xdata()) for line in losses.lines] == [[1, 2], [1, 2]]
    assert list(accuracies.lines[1].get_ydata()) == [0.7, 0.75]


POLICY = policy(violate=None)
# True classes: normal, then three violations.
PHOTOS = Photos(np.array([0, 1, 1, 1]), ["normal", "qr", "qr", "ad"], {"route": ["import"] * 4})


def scores(*violation: float) -> ModelScores:
    columns = np.array(violation)
    return ModelScores(np.stack([1 - columns, columns], axis=1), 0.7)


CANDIDATE = scores(0.1, 0.2, 0.9, 0.4)
CHAMPION = scores(0.1, 0.8, 0.25, 0.05)


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
