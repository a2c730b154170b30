"""Plots of the retraining report: candidate, champion, and both compared."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ml.models.evaluation import plots
from ml.models.evaluation.model_comparison import ModelScores, Photos, is_violation
from ml.policy.schema import Policy
from ml.policy.verdict import VIOLATION_MAJORITY

Floats = npt.NDArray[np.float64]
_DPI = 120
_COLORS = {"candidate": "C0", "champion": "C1"}


def draw_report_plots(
    photos: Photos,
    *,
    candidate: ModelScores,
    champion: ModelScores | None,
    policy: Policy,
    curves: Mapping[str, Sequence[float]],
) -> dict[str, bytes]:
    """Draw the plots of a report: PNG files by name, in display order.

    Args:
        photos: at least one.
        candidate: its scores on the photos.
        champion: its scores on the photos; None if there is no champion.
        policy: names the classes.
        curves: as in `ml.models.evaluation.plots.training`; empty without epochs.
    """
    models = {"candidate": candidate} | ({"champion": champion} if champion else {})
    classes = list(policy.classes)
    figures: dict[str, Figure] = {"trade_off": trade_off(photos, models, policy)}
    if curves:
        figures["training"] = plots.training(curves)
    for name, scores in models.items():
        figure = plots.confusion(scores.probabilities, photos.labels, classes)
        figures[f"confusion_{name}"] = _prefix_title(figure, name)
    for name, scores in models.items():
        figure = plots.reliability(scores.probabilities, photos.labels)
        figures[f"reliability_{name}"] = _prefix_title(figure, name)
    for name, scores in models.items():
        figure = plots.precision_recall(scores.probabilities, photos.labels, classes)
        figures[f"precision_recall_{name}"] = _prefix_title(figure, name)
    return {name: _to_png(figure) for name, figure in figures.items()}


def trade_off(photos: Photos, models: Mapping[str, ModelScores], policy: Policy) -> Figure:
    """Share of photos not passed versus share of violations passed, for all thresholds.

    The dot is the threshold in use. Lower and further left is better.
    """
    figure = Figure(figsize=(5.6, 4.6), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    violation = is_violation(photos.labels, policy)
    for name, model in models.items():
        scores = model.violation_scores(policy)
        grid = np.unique(np.append(scores[scores < VIOLATION_MAJORITY], 0.0))
        line = np.array([_rates(scores, violation, 1.0 - score) for score in grid])
        axes.step(line[:, 0], line[:, 1], where="post", color=_COLORS[name], label=name)
        axes.plot(*_rates(scores, violation, model.pass_confidence), "o", color=_COLORS[name])
    axes.set_title("Review load versus leaked violations")
    axes.set_xlabel("photos not passed (dot: the threshold in use)")
    axes.set_ylabel("violations passed")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.1%}")
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _rates(
    scores: Floats, violation: npt.NDArray[np.bool_], pass_confidence: float
) -> tuple[float, float]:
    """(share of photos not passed, share of violations passed) at a threshold."""
    passed = (1.0 - scores >= pass_confidence) & (scores < VIOLATION_MAJORITY)
    leaked = float(passed[violation].mean()) if violation.any() else 0.0
    return float(1.0 - passed.mean()), leaked


def _prefix_title(figure: Figure, model: str) -> Figure:
    axes = figure.axes[0]
    axes.set_title(f"{model.capitalize()}: {axes.get_title().lower()}")
    return figure


def _to_png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
