"""The leak rate: violations among passed photos, as the random audit finds them month by month.

The same numbers as the night's report stores in `moderation.leak_estimate`, as of now.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from ml.policy.policy import Policy

SHOWN = 20


@dataclass(frozen=True)
class LeakMonth:
    """Estimate of one month of nights with its exact 95 % interval; rates are 0..1."""

    month: str  # 2026-11
    audited: int
    leaked: int
    rate: float
    low: float
    high: float


# The last decision of a task that nobody took back, on a photo that its version had passed (if it
# asks for a review by now, people have decided on one like it since). The route stands here as a
# literal, for the partial index of such tasks.
_AUDITED = """
    select distinct on (l.task_id) l.task_id, l.label, l.sampling_rate, l.decided_at, t.object_key
    from moderation.review_task t
    join moderation.human_label l on l.content_sha256 = t.content_sha256 and l.task_id = t.task_id
    join moderation.verdict v on v.content_sha256 = t.content_sha256
        and v.model_hash = t.model_hash and v.policy_version = t.policy_version
    where t.route = 'random_audit' and t.created_at >= :since
        and l.route = 'random_audit' and v.decision <> 'block'
        and not exists (select from moderation.decision_undo u where u.label_id = l.label_id)
    order by l.task_id, l.label_id desc
"""
_LEAKED = text(
    f"""
    select object_key from ({_AUDITED}) as audited where label = any(:violations)
    order by decided_at desc, task_id limit :shown
    """  # noqa: S608 - as above
)


def leak_months(
    connection: Connection, *, policy: Policy, timezone: str, since: datetime
) -> list[LeakMonth]:
    """One estimate a month from `since` on, the earliest first; unanswered months have none."""
    # Here, because scipy takes a second to load.
    from ml.audit.random_audit import rate_of  # noqa: PLC0415 - as said above
    from ml.storage.leak import ANY, tallies_now  # noqa: PLC0415 - as said above

    first = since.strftime("%Y-%m")
    months = []
    for tally in tallies_now(connection, policy=policy, timezone=timezone):
        month = tally.month[:7]
        if (tally.decision, tally.name) == ("pass", ANY) and tally.answered and month >= first:
            found = rate_of(tally)
            rate = tally.wrong / tally.answered
            months.append(
                LeakMonth(month, tally.answered, tally.wrong, rate, found.low, found.high)
            )
    return months


def leaked_photos(
    connection: Connection, *, since: datetime, violations: Iterable[str], shown: int = SHOWN
) -> list[str]:
    """Object keys of passed photos that the audit found to be violations, the latest first."""
    wanted = {"since": since, "violations": sorted(violations), "shown": shown}
    return list(connection.execute(_LEAKED, wanted).scalars())
