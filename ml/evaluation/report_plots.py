"""Pictures of the monthly report: the candidate's, the champion's, and both beside each other."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ml.evaluation import plots
from ml.evaluation.versus import Photos, Side, is_violation
from ml.policy.policy import Policy
from ml.policy.verdict import LIKELIER

Floats = npt.NDArray[np.float64]
_DOTS_PER_INCH = 120
_COLOURS = {"candidate": "C0", "champion": "C1"}


def draw(
    photos: Photos,
    *,
    candidate: Side,
    champion: Side | None,
    policy: Policy,
    curves: Mapping[str, Sequence[float]],
) -> dict[str, bytes]:
    """PNG files by name, in the order to show them.

    Args:
        photos: at least one.
        candidate: what it makes of them.
        champion: the same; None where there is none.
        policy: names the classes.
        curves: as in `ml.evaluation.plots.training`; empty where there was no training.
    """
    sides = {"candidate": candidate} | ({"champion": champion} if champion else {})
    classes = list(policy.classes)
    figures: dict[str, Figure] = {"trade_off": trade_off(photos, sides, policy)}
    if curves:
        figures["training"] = plots.training(curves)
    for who, side in sides.items():
        figure = plots.confusion(side.probabilities, photos.labels, classes)
        figures[f"confusion_{who}"] = _titled(figure, who)
    for who, side in sides.items():
        figure = plots.reliability(side.probabilities, photos.labels)
        figures[f"reliability_{who}"] = _titled(figure, who)
    for who, side in sides.items():
        figure = plots.precision_recall(side.probabilities, photos.labels, classes)
        figures[f"precision_recall_{who}"] = _titled(figure, who)
    return {name: _png(figure) for name, figure in figures.items()}


def trade_off(photos: Photos, sides: Mapping[str, Side], policy: Policy) -> Figure:
    """Share of all photos that wait for people against share of violations that pass.

    A point a cut-off; the dot is the cut-off in use. Lower and further left is better.
    """
    figure = Figure(figsize=(5.6, 4.6), dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    violation = is_violation(photos.labels, policy)
    for who, side in sides.items():
        scores = side.violation_scores(policy)
        grid = np.unique(np.append(scores[scores < LIKELIER], 0.0))
        line = np.array([_point(scores, violation, 1.0 - score) for score in grid])
        axes.step(line[:, 0], line[:, 1], where="post", color=_COLOURS[who], label=who)
        axes.plot(*_point(scores, violation, side.pass_confidence), "o", color=_COLOURS[who])
    axes.set_title("Work for people against violations shown")
    axes.set_xlabel("photos not passed (dot: the cut-off in use)")
    axes.set_ylabel("violations passed")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.1%}")
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _point(
    scores: Floats, violation: npt.NDArray[np.bool_], pass_confidence: float
) -> tuple[float, float]:
    passed = (1.0 - scores >= pass_confidence) & (scores < LIKELIER)
    leaked = float(passed[violation].mean()) if violation.any() else 0.0
    return float(1.0 - passed.mean()), leaked


def _titled(figure: Figure, who: str) -> Figure:
    axes = figure.axes[0]
    axes.set_title(f"{who.capitalize()}: {axes.get_title().lower()}")
    return figure


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
