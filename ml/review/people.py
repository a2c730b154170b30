"""How each reviewer works, and how well they agree: with one another, and with the golden set.

Agreement is of photos that two people have judged within the span, blind second reviews among them;
labels that were imported or taken back do not count. Golden accuracy is of the hidden golden items
answered within the span. The work is what `moderation.activity` says: golden items are part of it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

from ml.review.quality import (
    Judgement,
    PairAgreement,
    ReviewerAccuracy,
    golden_accuracy,
    pair_agreement,
)

# A longer pause between two decisions is no part of the work.
PAUSE_SECONDS = 300.0

_LABELS = text(
    """
    select h.reviewer, h.content_sha256, h.label from moderation.human_label h
    where h.decided_at >= :since and h.decided_at < :until and h.route <> 'import'
    and not exists (select from moderation.decision_undo u where u.label_id = h.label_id)
    order by h.decided_at, h.label_id
    """
)
_ANSWERS = text(
    """
    select reviewer, content_sha256, label, truth from moderation.golden_answer
    where answered_at >= :since and answered_at < :until
    order by answered_at, task_id
    """
)
_WORK = text(
    """
    with act as (
        select who, what, (done_at at time zone :zone)::date as day,
            extract(epoch from done_at - lag(done_at) over (
                partition by who, what order by done_at, activity_id
            )) as pause
        from moderation.activity
        where done_at >= :since and done_at < :until and what in ('decide', 'undo')
    )
    select who, what, day, count(*) as times,
        count(*) filter (where pause <= :longest) as steps,
        coalesce(sum(pause) filter (where pause <= :longest), 0) as seconds
    from act group by who, what, day order by who, day
    """
)


@dataclass(frozen=True)
class Work:
    """What one person did: decisions (by day, too), how many they took back, and how fast.

    `an_hour` is decisions an hour of work, pauses over five minutes left out; None where no two
    decisions follow each other.
    """

    reviewer: str
    decisions: int
    undone: int
    an_hour: float | None
    days: Mapping[date, int]

    @property
    def undo_rate(self) -> float | None:
        """Share of the decisions that were taken back; None without a decision."""
        return self.undone / self.decisions if self.decisions else None


@dataclass(frozen=True)
class People:
    """All of it, each by name."""

    work: tuple[Work, ...]
    pairs: tuple[PairAgreement, ...]
    golden: tuple[ReviewerAccuracy, ...]


def people(connection: Connection, *, since: datetime, until: datetime, zone: str) -> People:
    """Look at a span of time; `zone` is the shop's, for its days."""
    span = {"since": since, "until": until}
    answers = connection.execute(_ANSWERS, span).all()
    return People(
        work=_work(connection, span | {"zone": zone, "longest": PAUSE_SECONDS}),
        pairs=tuple(pair_agreement(Judgement(*row) for row in connection.execute(_LABELS, span))),
        golden=tuple(
            golden_accuracy(
                (Judgement(a.reviewer, a.content_sha256, a.label) for a in answers),
                {a.content_sha256: a.truth for a in answers},
            )
        ),
    )


def _work(connection: Connection, asked: Mapping[str, object]) -> tuple[Work, ...]:
    days: dict[str, dict[date, int]] = defaultdict(dict)
    undone, steps, seconds = Counter[str](), Counter[str](), defaultdict[str, float](float)
    for row in connection.execute(_WORK, asked):
        if row.what == "undo":
            undone[row.who] += row.times
            continue
        days[row.who][row.day] = row.times
        steps[row.who] += row.steps
        seconds[row.who] += float(row.seconds)
    return tuple(
        Work(
            reviewer=who,
            decisions=sum(days[who].values()),
            undone=undone[who],
            an_hour=3600 * steps[who] / seconds[who] if seconds[who] else None,
            days=dict(days[who]),
        )
        for who in sorted({*days, *undone})
    )
