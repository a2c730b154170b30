"""Plots of what reviewers do against what leaks, by threshold."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ml.models.evaluation.figures import new_figure
from ml.models.evaluation.held_out_labels import passes
from ml.models.evaluation.leak_curve import LeakPoint
from ml.models.evaluation.metrics import Bools, Floats
from ml.models.evaluation.model_comparison import ModelScores, Photos, is_violation
from ml.policy.schema import Policy
from ml.policy.verdict import VIOLATION_MAJORITY

_COLORS = {"candidate": "C0", "champion": "C1"}


def trade_off(photos: Photos, models: Mapping[str, ModelScores], policy: Policy) -> Figure:
    """Share of photos not passed versus share of violations passed, for all thresholds.

    The dot is the threshold in use. Lower and further left is better.
    """
    figure, axes = new_figure(
        "Review load versus leaked violations",
        "photos not passed (dot: the threshold in use)",
        "violations passed",
        size=(5.6, 4.6),
    )
    violation = is_violation(photos.labels, policy)
    for name, model in models.items():
        scores = model.violation_scores(policy)
        grid = np.unique(np.append(scores[scores < VIOLATION_MAJORITY], 0.0))
        line = np.array([_rates(scores, violation, 1.0 - score) for score in grid])
        axes.step(line[:, 0], line[:, 1], where="post", color=_COLORS[name], label=name)
        axes.plot(*_rates(scores, violation, model.pass_confidence), "o", color=_COLORS[name])
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.1%}")
    axes.legend(frameon=False)
    return figure


def draw_leak_curve(points: Sequence[LeakPoint], *, used: LeakPoint, rate: float) -> Figure:
    """Leak rate versus review share by threshold, with intervals; the dot is the one in use."""
    figure, axes = new_figure(
        "Review load versus leak rate",
        "photos not passed (dot: the threshold in use)",
        "violations among passed photos",
        size=(5.6, 4.6),
    )
    shares, rates, low, high = (
        [getattr(point, name) for point in points]
        for name in ("review_share", "leak_rate", "low", "high")
    )
    axes.fill_between(shares, low, high, color="C0", alpha=0.2, label="95 % interval")
    axes.plot(shares, rates, color="C0", marker=".")
    axes.plot(used.review_share, used.leak_rate, "o", color="C0")
    axes.axhline(rate, color="0.5", linestyle="--", linewidth=1.0, label="policy's bound")
    axes.set_ylim(0.0, max(2.5 * rate, 1.3 * max(rates)))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.1%}")
    axes.legend(frameon=False)
    return figure


def _rates(scores: Floats, violation: Bools, pass_confidence: float) -> tuple[float, float]:
    """(share of photos not passed, share of violations passed) at a threshold."""
    passed = passes(scores, pass_confidence)
    leaked = float(passed[violation].mean()) if violation.any() else 0.0
    return float(1.0 - passed.mean()), leaked
