"""How much each reviewer decides, and how well they agree with each other and the golden set.

Agreement is over photos that two reviewers labelled within the span, blind second reviews included;
imported and undone labels do not count. Golden accuracy is over the golden tasks answered within
the span. The workload comes from the activity log and includes golden tasks.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from ml.review.agreement import (
    PairAgreement,
    Rating,
    ReviewerAccuracy,
    golden_accuracy,
    pair_agreement,
)
from ml.storage.read.reviewer_stats import (
    DailyActivity,
    load_daily_activity,
    load_golden_answers,
    load_labels,
)

MAX_GAP_SECONDS = 300.0  # a longer gap between two decisions is a break and no working time


@dataclass(frozen=True)
class Workload:
    """What one reviewer did: decisions (in all and by day), undone ones, and the speed.

    `an_hour` is decisions per hour of work, gaps of over five minutes left out; None where no two
    decisions follow each other.
    """

    reviewer: str
    decisions: int
    undone: int
    an_hour: float | None
    days: Mapping[date, int]

    @property
    def undo_rate(self) -> float | None:
        """Share of the decisions that were undone; None without a decision."""
        return self.undone / self.decisions if self.decisions else None


@dataclass(frozen=True)
class ReviewerReport:
    """Workloads, pairwise agreement and golden accuracy, each ordered by name."""

    work: tuple[Workload, ...]
    pairs: tuple[PairAgreement, ...]
    golden: tuple[ReviewerAccuracy, ...]


def reviewer_report(
    connection: Connection, *, since: datetime, until: datetime, zone: str
) -> ReviewerReport:
    """Report on the span from `since` to `until`; `zone` is the time zone of its days."""
    labels = load_labels(connection, since=since, until=until)
    answers = load_golden_answers(connection, since=since, until=until)
    activity = load_daily_activity(
        connection, since=since, until=until, timezone=zone, max_gap_seconds=MAX_GAP_SECONDS
    )
    return ReviewerReport(
        work=_workloads(activity),
        pairs=tuple(pair_agreement(Rating(r.reviewer, r.content_sha256, r.label) for r in labels)),
        golden=tuple(
            golden_accuracy(
                (Rating(a.reviewer, a.content_sha256, a.label) for a in answers),
                {a.content_sha256: a.truth for a in answers},
            )
        ),
    )


def _workloads(activity: Iterable[DailyActivity]) -> tuple[Workload, ...]:
    days: dict[str, dict[date, int]] = defaultdict(dict)
    undone, steps, seconds = Counter[str](), Counter[str](), defaultdict[str, float](float)
    for daily in activity:
        if daily.action == "undo":
            undone[daily.actor] += daily.times
            continue
        days[daily.actor][daily.day] = daily.times
        steps[daily.actor] += daily.steps
        seconds[daily.actor] += daily.seconds
    return tuple(
        Workload(
            reviewer=reviewer,
            decisions=sum(days[reviewer].values()),
            undone=undone[reviewer],
            an_hour=3600 * steps[reviewer] / seconds[reviewer] if seconds[reviewer] else None,
            days=dict(days[reviewer]),
        )
        for reviewer in sorted({*days, *undone})
    )
