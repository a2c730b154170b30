"""The leak rate: violations among passed photos, as the random audit finds them month by month."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

SHOWN = 20


@dataclass(frozen=True)
class Audited:
    """Labels of one month that say the same and stand for equally many photos."""

    month: str  # 2026-11
    label: str
    sampling_rate: float
    labels: int


@dataclass(frozen=True)
class LeakMonth:
    """Estimate of one month with its exact 95 % interval; rates are 0..1.

    `audited` and `leaked` are labels as they were given, each photo once.
    """

    month: str
    audited: int
    leaked: int
    rate: float
    low: float
    high: float


# The last decision of a task that nobody took back, on a photo that its version had passed. The
# route stands here as a literal, for the partial index of such tasks.
_AUDITED = """
    select distinct on (l.task_id) l.task_id, l.label, l.sampling_rate, l.decided_at, t.object_key
    from moderation.review_task t
    join moderation.human_label l on l.content_sha256 = t.content_sha256 and l.task_id = t.task_id
    join moderation.verdict v on v.content_sha256 = t.content_sha256
        and v.model_hash = t.model_hash and v.policy_version = t.policy_version
    where t.route = 'random_audit' and t.created_at >= :since
        and l.route = 'random_audit' and v.decision = 'pass'
        and not exists (select from moderation.decision_undo u where u.label_id = l.label_id)
    order by l.task_id, l.label_id desc
"""
_BY_MONTH = text(
    f"""
    select to_char(decided_at at time zone :timezone, 'YYYY-MM') as month, label, sampling_rate,
        count(*) as labels
    from ({_AUDITED}) as audited group by 1, 2, 3 order by 1
    """  # noqa: S608 - two constants of this file
)
_LEAKED = text(
    f"""
    select object_key from ({_AUDITED}) as audited where label = any(:violations)
    order by decided_at desc, task_id limit :shown
    """  # noqa: S608 - as above
)


def audited_by_month(connection: Connection, *, since: datetime, timezone: str) -> list[Audited]:
    """Passes drawn since a moment and decided, by the decision's month in the shop's time zone."""
    rows = connection.execute(_BY_MONTH, {"since": since, "timezone": timezone}).mappings()
    return [Audited(**row) for row in rows]


def leaked_photos(
    connection: Connection, *, since: datetime, violations: Iterable[str], shown: int = SHOWN
) -> list[str]:
    """Object keys of passed photos that the audit found to be violations, the latest first."""
    wanted = {"since": since, "violations": sorted(violations), "shown": shown}
    return list(connection.execute(_LEAKED, wanted).scalars())


def leak_rates(audited: Sequence[Audited], *, violations: frozenset[str]) -> list[LeakMonth]:
    """One estimate a month, the earliest first; months without an audited pass are left out."""
    months: dict[str, list[Audited]] = defaultdict(list)
    for part in audited:
        months[part.month].append(part)
    return [_month(name, months[name], violations) for name in sorted(months)]


def _month(month: str, parts: Sequence[Audited], violations: frozenset[str]) -> LeakMonth:
    """Clopper-Pearson, in units of the heaviest label where they stand for different numbers.

    See `ml.evaluation.cut_offs` for both; 2.5 % on either side.
    """
    # Here, because scipy takes a second to load and most pages have no audited pass to show.
    import numpy as np  # noqa: PLC0415 - as said above

    from ml.evaluation.cut_offs import lower_bound, upper_bound  # noqa: PLC0415 - as said above

    lightest = min(part.sampling_rate for part in parts)
    units = {part: part.labels * lightest / part.sampling_rate for part in parts}
    leaking = [part for part in parts if part.label in violations]
    passed, leaked = sum(units.values()), sum(units[part] for part in leaking)
    sides = np.array([leaked]), np.array([passed])
    return LeakMonth(
        month=month,
        audited=sum(part.labels for part in parts),
        leaked=sum(part.labels for part in leaking),
        rate=leaked / passed,
        low=float(lower_bound(*sides, 0.975)[0]),
        high=float(upper_bound(*sides, 0.975)[0]),
    )
