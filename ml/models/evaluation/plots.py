"""Plots of a version's metrics and of the retraining report; without pyplot's global state."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from ml.models.evaluation.figures import DPI, new_figure, style_axes, to_png
from ml.models.evaluation.metrics import (
    Floats,
    Ints,
    expected_calibration_error,
    reliability_bins,
)
from ml.models.evaluation.model_comparison import ModelScores, Photos
from ml.models.evaluation.trade_off_plots import trade_off
from ml.policy.schema import Policy


def plot_all(
    probabilities: Floats,
    labels: Ints,
    *,
    classes: Sequence[str],
    curves: Mapping[str, Sequence[float]],
    folder: Path,
) -> None:
    """Draw confusion matrix, ROC, precision-recall, reliability and, if any, training curves.

    Takes calibrated probabilities (N, C) of at least one photo and the indices (N,) of the true
    classes; `curves` are those of `training`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "confusion": confusion(probabilities, labels, classes),
        "roc": roc(probabilities, labels, classes),
        "precision_recall": precision_recall(probabilities, labels, classes),
        "reliability": reliability(probabilities, labels),
    }
    if any(curves.values()):  # a linear probe has no epochs
        figures["training"] = training(curves)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png")


def confusion(probabilities: Floats, labels: Ints, classes: Sequence[str]) -> Figure:
    """Confusion matrix: true class by row, predicted class by column; shaded by row share."""
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(classes)))
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.9 * len(classes)
    figure, axes = new_figure("Confusion", "predicted", "true", size=(side, side - 0.4))
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.grid(visible=False)
    for (row, column), count in np.ndenumerate(matrix):
        text = f"{count}\n{share[row, column]:.1%}"
        dark = share[row, column] > 0.5  # noqa: PLR2004 - the middle of the color map
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
    return figure


def roc(probabilities: Floats, labels: Ints, classes: Sequence[str]) -> Figure:
    """ROC curve: true versus false positive rate, each class against the rest."""
    figure, axes = new_figure("ROC", "false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1.0)
    for c, name in _classes_with_curves(labels, classes):
        false_rate, true_rate, _ = roc_curve(labels == c, probabilities[:, c])
        area = roc_auc_score(labels == c, probabilities[:, c])
        axes.plot(false_rate, true_rate, label=f"{name}: area {area:.3f}")
    return _unit_square(figure, axes, legend="lower right")


def precision_recall(probabilities: Floats, labels: Ints, classes: Sequence[str]) -> Figure:
    """Precision-recall curve, each class against the rest."""
    figure, axes = new_figure("Precision and recall", "recall", "precision")
    for c, name in _classes_with_curves(labels, classes):
        precision, recall, _ = precision_recall_curve(labels == c, probabilities[:, c])
        area = average_precision_score(labels == c, probabilities[:, c])
        axes.step(recall, precision, where="post", label=f"{name}: average {area:.3f}")
    return _unit_square(figure, axes, legend="lower left")


def reliability(probabilities: Floats, labels: Ints) -> Figure:
    """Reliability diagram: accuracy versus confidence by bin; calibrated on the diagonal."""
    bins = reliability_bins(probabilities, labels)
    error = expected_calibration_error(probabilities, labels)
    figure, axes = new_figure(
        f"Reliability (calibration error {error:.3f})", "confidence", "accuracy (area: photos)"
    )
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1.0)
    confidence, accuracy, photos = (np.array(column) for column in zip(*bins, strict=True))
    axes.plot(confidence, accuracy, color="C0", linewidth=1.0)
    axes.scatter(confidence, accuracy, s=20 + 400 * photos / photos.sum(), color="C0", alpha=0.7)
    return _unit_square(figure, axes, legend=None)


def training(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Training curves: loss and accuracy by epoch, on training and validation photos.

    `curves` has a value per epoch for "train_loss", "validation_loss", "train_accuracy" and
    "validation_accuracy".
    """
    figure = Figure(figsize=(8.4, 3.6), dpi=DPI, layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, label in (("train", "training (augmented)"), ("validation", "validation")):
            values = curves[f"{split}_{measure}"]
            axes.plot(range(1, len(values) + 1), values, marker=".", label=label)
        style_axes(axes, measure.capitalize(), "epoch", "")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
    return figure


def draw_report_plots(
    photos: Photos,
    *,
    candidate: ModelScores,
    champion: ModelScores | None,
    policy: Policy,
    curves: Mapping[str, Sequence[float]],
) -> dict[str, bytes]:
    """Draw the plots of a report: PNG files by name, in display order.

    There is at least one photo; `curves` are those of `training`, empty
    without epochs.
    """
    models = {"candidate": candidate} | ({"champion": champion} if champion else {})
    classes = list(policy.classes)
    figures: dict[str, Figure] = {"trade_off": trade_off(photos, models, policy)}
    if curves:
        figures["training"] = training(curves)
    drawn: dict[str, Callable[[ModelScores], Figure]] = {
        "confusion": lambda m: confusion(m.probabilities, photos.labels, classes),
        "reliability": lambda m: reliability(m.probabilities, photos.labels),
        "precision_recall": lambda m: precision_recall(m.probabilities, photos.labels, classes),
    }
    for kind, draw in drawn.items():
        for name, scores in models.items():
            figures[f"{kind}_{name}"] = _prefix_title(draw(scores), name)
    return {name: to_png(figure) for name, figure in figures.items()}


def _prefix_title(figure: Figure, model: str) -> Figure:
    axes = figure.axes[0]
    axes.set_title(f"{model.capitalize()}: {axes.get_title().lower()}")
    return figure


def _unit_square(
    figure: Figure, axes: Axes, *, legend: Literal["lower left", "lower right"] | None
) -> Figure:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    if legend is not None and axes.get_legend_handles_labels()[0]:
        axes.legend(loc=legend, frameon=False)
    return figure


def _classes_with_curves(labels: Ints, classes: Sequence[str]) -> list[tuple[int, str]]:
    """Index and name of the classes with both positive and negative photos."""
    return [(c, name) for c, name in enumerate(classes) if 0 < (labels == c).sum() < len(labels)]
