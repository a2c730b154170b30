"""Figures, chart and log entries of the reviewers page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ml.core.format import short_hash
from moderation_ui.web.words import Labels

if TYPE_CHECKING:
    from ml.policy.schema import Policy
    from ml.review.reviewer_stats import PairAgreement, ReviewerAccuracy, Workload
    from ml.storage.activity_log import Entry

_MIN_PHOTOS = 10  # a figure of fewer is striped
# Lower bounds of the colors above the lowest; for kappa those of Landis and Koch 1977.
_SHARE_STEPS = (0.5, 0.7, 0.8, 0.9)
_KAPPA_STEPS = (0.2, 0.4, 0.6, 0.8)
_NAMED = 7  # reviewers with a color of their own; the rest share one
_COLORS = ("#4c8fd6", "#e08a2e", "#55a868", "#c85a5a", "#8d79c4", "#a5835f", "#d48cb8", "#8a94a3")


@dataclass(frozen=True)
class Cell:
    """A figure over `photos`, of which `right` agree; None where it is undefined."""

    value: float | None
    photos: int
    right: int
    steps: tuple[float, ...] = _SHARE_STEPS

    @property
    def heat(self) -> str:
        """CSS classes of the color: `heat-0` (bad) to `heat-4`; of few photos `few` as well."""
        if self.value is None:
            return "undefined"
        step = sum(self.value >= bound for bound in self.steps)
        return f"heat-{step}{' few' if self.photos < _MIN_PHOTOS else ''}"


@dataclass(frozen=True)
class Matrix:
    """Rows of cells; None where row and column have no photo in common."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def agreement_matrix(pairs: "Sequence[PairAgreement]") -> Matrix:
    """Cohen's kappa of each pair, symmetric."""
    names = tuple(sorted({name for pair in pairs for name in (pair.first, pair.second)}))
    cells = {
        frozenset((p.first, p.second)): Cell(
            p.kappa, p.photos, round(p.agreement * p.photos), _KAPPA_STEPS
        )
        for p in pairs
    }
    rows = ((row, tuple(cells.get(frozenset((row, name))) for name in names)) for row in names)
    return Matrix(names, tuple(rows))


def golden_matrix(accuracies: "Sequence[ReviewerAccuracy]", policy: "Policy") -> Matrix:
    """Recall of each reviewer and class on golden photos; the last column is the accuracy."""
    found = {name for accuracy in accuracies for name in accuracy.classes}
    ordered = [name for name in policy.classes if name in found]
    names = (*ordered, *sorted(found.difference(ordered)))
    rows = []
    for each in accuracies:
        overall = Cell(each.accuracy, each.photos, each.right)
        rows.append((each.reviewer, (*(_recall_cell(each, name) for name in names), overall)))
    return Matrix(names, tuple(rows))


def _recall_cell(accuracy: "ReviewerAccuracy", name: str) -> Cell | None:
    part = accuracy.classes.get(name)
    return Cell(part.recall, part.photos, part.right) if part and part.photos else None


def work_chart(
    work: "Sequence[Workload]", *, since: datetime, until: datetime, zone: str, others: str
) -> dict[str, Any] | None:
    """Decisions by day, stacked by reviewer; Plotly's {data, layout}, None without a decision."""
    busiest = sorted((w for w in work if w.decisions), key=lambda w: (-w.decisions, w.reviewer))
    if not busiest:
        return None
    first, last = (moment.astimezone(ZoneInfo(zone)).date() for moment in (since, until))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    bars = [(w.reviewer, Counter(w.days)) for w in busiest[:_NAMED]]
    if len(busiest) > _NAMED:
        bars.append((others, sum((Counter(w.days) for w in busiest[_NAMED:]), Counter())))
    data = [
        {
            "type": "bar",
            "name": escape(name, quote=False),  # Plotly reads a little HTML in names
            "x": [day.isoformat() for day in days],
            "y": [counted[day] for day in days],
            "marker": {"color": color},
        }
        for (name, counted), color in zip(bars, _COLORS, strict=False)
    ]
    legend = {"orientation": "h", "y": -0.2}
    axes = {"xaxis": {"type": "date"}, "yaxis": {"rangemode": "tozero", "tickformat": ",d"}}
    return {"data": data, "layout": {"barmode": "stack", "legend": legend, **axes}}


@dataclass(frozen=True)
class LogLine:
    """`model_hash` is set where the target is a model version; `details` are (name, text)."""

    action: str
    target: str
    model_hash: str | None
    details: tuple[tuple[str, str], ...]


def log_line(entry: "Entry", labels: Labels) -> LogLine:
    """One entry in words; codes without a text stay as stored."""
    words = labels.words
    kind, _, name = entry.target.partition(":")
    model_hash = name if kind == "model_version" and name else None
    shown = short_hash(model_hash) if model_hash else name
    return LogLine(
        action=words.get(f"reviewers.action_{entry.action}", entry.action),
        target=words.get(f"reviewers.target_{kind}", entry.target, name=shown),
        model_hash=model_hash,
        details=tuple(
            (words.get(f"reviewers.detail_{part}", part), _detail(part, value, labels))
            for part, value in sorted(entry.detail.items())
            if value not in (None, "", [])
        ),
    )


def _detail(part: str, value: object, labels: Labels) -> str:
    if part == "label":
        return labels.class_title(str(value))
    return short_hash(str(value)) if part == "previous" else str(value)
