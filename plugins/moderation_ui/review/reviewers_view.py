"""Reviewers page: figures, charts and activity entries."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from moderation_ui.web.operations_labels import class_text, known_or_plain
from moderation_ui.web.resources import Words, sentences

if TYPE_CHECKING:
    from ml.policy.schema import Policy
    from ml.review.reviewer_stats import PairAgreement, ReviewerAccuracy, Workload
if TYPE_CHECKING:
    from ml.policy.schema import Policy
    from ml.storage.activity_log import Entry


MIN_PHOTOS = 10  # photos; a figure of fewer is shown, and said to be of few
# Lower bounds of the colours above the lowest; for kappa those of Landis and Koch 1977.
_SHARE_STEPS = (0.5, 0.7, 0.8, 0.9)
_KAPPA_STEPS = (0.2, 0.4, 0.6, 0.8)
_NAMED = 7  # reviewers with a colour of their own; the rest share one
_COLOURS = ("#4c8fd6", "#e08a2e", "#55a868", "#c85a5a", "#8d79c4", "#a5835f", "#d48cb8", "#8a94a3")


@dataclass(frozen=True)
class Cell:
    """A figure (None: the labels do not say) of so many photos, of which `right` agree."""

    value: float | None
    photos: int
    right: int
    steps: tuple[float, ...] = _SHARE_STEPS

    @property
    def heat(self) -> str:
        """The class of its colour: `heat-0` (bad) to `heat-4`; of few photos `few` as well."""
        if self.value is None:
            return "unsaid"
        step = sum(self.value >= bound for bound in self.steps)
        return f"heat-{step}{' few' if self.photos < MIN_PHOTOS else ''}"


@dataclass(frozen=True)
class Matrix:
    """Rows of cells; None where row and column have nothing in common."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def agreement_matrix(pairs: "Sequence[PairAgreement]") -> Matrix:
    """Cohen's kappa of each pair, both ways round."""
    names = tuple(sorted({name for pair in pairs for name in (pair.first, pair.second)}))
    cells = {
        frozenset((p.first, p.second)): Cell(
            p.kappa, p.photos, round(p.agreement * p.photos), _KAPPA_STEPS
        )
        for p in pairs
    }
    rows = tuple(
        (row, tuple(cells.get(frozenset((row, column))) for column in names)) for row in names
    )
    return Matrix(names, rows)


def golden_matrix(accuracies: "Sequence[ReviewerAccuracy]", policy: "Policy") -> Matrix:
    """Of the golden photos of each class, how many each reviewer named so; the last column: all."""
    found = {name for accuracy in accuracies for name in accuracy.classes}
    ordered = [name for name in policy.classes if name in found]
    names = (*ordered, *sorted(found.difference(ordered)))
    rows = tuple(
        (
            accuracy.reviewer,
            (
                *(_of_class(accuracy, name) for name in names),
                Cell(accuracy.accuracy, accuracy.photos, accuracy.right),
            ),
        )
        for accuracy in accuracies
    )
    return Matrix(names, rows)


def _of_class(accuracy: "ReviewerAccuracy", name: str) -> Cell | None:
    part = accuracy.classes.get(name)
    return Cell(part.recall, part.photos, part.right) if part and part.photos else None


def work_chart(
    work: "Sequence[Workload]", *, since: datetime, until: datetime, zone: str, others: str
) -> dict[str, Any] | None:
    """Decisions by day, stacked by person; Plotly's {data, layout}, None without a decision."""
    busiest = sorted((w for w in work if w.decisions), key=lambda w: (-w.decisions, w.reviewer))
    if not busiest:
        return None
    first, last = (moment.astimezone(ZoneInfo(zone)).date() for moment in (since, until))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    named = [(w.reviewer, Counter(w.days)) for w in busiest[:_NAMED]]
    rest = sum((Counter(w.days) for w in busiest[_NAMED:]), Counter())
    bars = [*named, *([(others, rest)] if rest else [])]
    data = [
        {
            "type": "bar",
            "name": _plain(name),
            "x": [day.isoformat() for day in days],
            "y": [counted[day] for day in days],
            "marker": {"color": colour},
        }
        for (name, counted), colour in zip(bars, _COLOURS, strict=False)
    ]
    legend = {"orientation": "h", "y": -0.2}
    axes = {"xaxis": {"type": "date"}, "yaxis": {"rangemode": "tozero", "tickformat": ",d"}}
    return {"data": data, "layout": {"barmode": "stack", "legend": legend, **axes}}


def _plain(name: str) -> str:
    """Plotly reads a little HTML in names; a user's name shows as it is written."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_HASHES = ("previous",)
_HASH_SHOWN = 12


@dataclass(frozen=True)
class LogLine:
    """`model_hash` is set where the target is a model version; `details` are (name, text)."""

    action: str
    target: str
    model_hash: str | None
    details: tuple[tuple[str, str], ...]


def log_line(entry: "Entry", words: Words, policy: "Policy") -> LogLine:
    """One entry in words; codes that the locale does not have stay as stored."""
    kind, _, name = entry.target.partition(":")
    is_model = kind == "model_version" and bool(name)
    key = f"reviewers.target_{kind}"
    short = name[:_HASH_SHOWN] if is_model else name
    return LogLine(
        action=known_or_plain(f"reviewers.action_{entry.action}", entry.action, words),
        target=words(key, name=short) if key in sentences() else entry.target,
        model_hash=name if is_model else None,
        details=tuple(
            (
                known_or_plain(f"reviewers.detail_{part}", part, words),
                _text(part, value, words, policy),
            )
            for part, value in sorted(entry.detail.items())
            if value not in (None, "", [])
        ),
    )


def _text(part: str, value: object, words: Words, policy: "Policy") -> str:
    if part == "label":
        return class_text(str(value), words, policy)
    return str(value)[:_HASH_SHOWN] if part in _HASHES else str(value)
