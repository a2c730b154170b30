"""`moderation.leak_estimate`: what people said of the random audit's photos, by month and class."""

from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from ml.audit.random_audit import CONFIDENCE, Tally, classes_against, rate_of
from ml.policy.policy import Policy
from ml.storage.schema import leak_estimate

ANY = ""  # in place of a class: all that speak against the decision

# A month is that of the night, in the shop's time zone. The label is the last that stands on the
# content, whoever gave it: a second look may correct the first. What passed is told from what was
# blocked by the verdict that the task was drawn from; one that passed may ask for a review by now.
_ANSWERS = text(
    """
    with asked as (
        select t.task_id, t.content_sha256,
            case v.decision when 'block' then 'block' else 'pass' end as decision,
            to_char(t.created_at at time zone :timezone, 'YYYY-MM-01') as month
        from moderation.review_task t
        join moderation.verdict v on v.content_sha256 = t.content_sha256
            and v.model_hash = t.model_hash and v.policy_version = t.policy_version
        where t.route = 'random_audit'
    )
    select a.month, a.decision, said.label, count(*)
    from asked a
    left join lateral (
        select h.label from moderation.human_label h
        where h.content_sha256 = a.content_sha256
            and exists (
                select from moderation.human_label own
                where own.content_sha256 = a.content_sha256 and own.task_id = a.task_id
            )
            and not exists (
                select from moderation.decision_undo u where u.label_id = h.label_id
            )
        order by h.decided_at desc, h.label_id desc limit 1
    ) said on true
    group by a.month, a.decision, said.label
    """
)


def update_leak(connection: Connection, *, policy: Policy, timezone: str) -> None:
    """Compute all months anew from what people have said up to now; again changes nothing."""
    tallies = tallies_now(connection, policy=policy, timezone=timezone)
    if not tallies:
        return
    statement = insert(leak_estimate)
    same = ["month", "decision", "class"]
    changing = ["asked", "answered", "wrong", "rate", "low", "high", "confidence", "computed_at"]
    update = {name: statement.excluded[name] for name in changing}
    connection.execute(
        statement.on_conflict_do_update(index_elements=same, set_=update),
        [_row(tally) for tally in tallies],
    )


def tallies_now(connection: Connection, *, policy: Policy, timezone: str) -> list[Tally]:
    """What people have said up to now, by month, decision and class (`ANY`: all against it)."""
    rows = connection.execute(_ANSWERS, {"timezone": timezone}).all()
    return _tallies([tuple(row) for row in rows], policy)


def _tallies(answers: list[tuple[Any, ...]], policy: Policy) -> list[Tally]:
    """One tally for each month, decision and class that speaks against it, and one for any."""
    labels: dict[tuple[str, str], dict[str | None, int]] = {}
    for month, decision, label, photos in answers:
        known = label if label is None or label in policy.classes else None
        counts = labels.setdefault((month, decision), {})
        counts[known] = counts.get(known, 0) + photos
    found = []
    for (month, decision), counts in sorted(labels.items()):
        against = classes_against(decision, policy)
        wrong = {name: counts.get(name, 0) for name in against}
        asked = sum(counts.values())
        answered = asked - counts.get(None, 0)
        for name, photos in {ANY: sum(wrong.values()), **wrong}.items():
            found.append(Tally(month, decision, name, asked, answered, photos))
    return found


def _row(tally: Tally) -> dict[str, Any]:
    rate = rate_of(tally)
    return {
        "month": tally.month,
        "decision": tally.decision,
        "class": tally.name,
        "asked": tally.asked,
        "answered": tally.answered,
        "wrong": tally.wrong,
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "confidence": CONFIDENCE,
    }


_LATEST = text(
    """
    select to_char(month, 'YYYY-MM') as month, decision, class, asked, answered, wrong, rate, low,
        high, confidence
    from moderation.leak_estimate
    where month > cast(:until as date) - interval '12 months' and month <= cast(:until as date)
    order by moderation.leak_estimate.month desc, decision desc, class
    """
)


def leak_of_a_year(connection: Connection, *, until: str) -> list[dict[str, Any]]:
    """The estimates of the twelve months up to a day (ISO), the latest month first."""
    return [dict(row) for row in connection.execute(_LATEST, {"until": until}).mappings()]
