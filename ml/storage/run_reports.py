"""Counts of one nightly run, for `reconcile` and `report`."""

from dataclasses import dataclass

from sqlalchemy import Connection, TextClause, text


@dataclass(frozen=True)
class OutcomeCounts:
    """Images of a run by outcome; an outcome counts only with the row that proves it."""

    judged: int
    quarantined: int
    already_judged: int
    undecided: int


_OUTCOMES = text(
    """
    select
        count(*) filter (where outcome = 'judged' and decision is not null) as judged,
        count(*) filter (where outcome = 'quarantined' and q.object_key is not null)
            as quarantined,
        count(*) filter (where outcome = 'already_judged' and decision is not null)
            as already_judged,
        count(*) filter (where outcome is null) as undecided
    from moderation.audit_result ar
    left join moderation.quarantine q on q.object_key = ar.object_key and q.etag = ar.etag
    where ar.run_id = :run_id
    """
)


def count_outcomes(connection: Connection, run_id: str) -> OutcomeCounts:
    """Count a run's images by outcome."""
    row = connection.execute(_OUTCOMES, {"run_id": run_id}).mappings().one()
    return OutcomeCounts(**row)


_DECISIONS = text(
    """
    select decision, count(*) from moderation.audit_result
    where run_id = :run_id and decision is not null group by decision
    """
)


def count_decisions(connection: Connection, run_id: str) -> dict[str, int]:
    """Photos by decision; decisions without a photo are missing."""
    return _counts(connection, _DECISIONS, run_id)


_QUARANTINE_REASONS = text(
    """
    select q.reason, count(*)
    from moderation.audit_image ai
    join moderation.quarantine q on q.object_key = ai.object_key and q.etag = ai.etag
    where ai.run_id = :run_id and ai.outcome = 'quarantined'
    group by q.reason order by count(*) desc, q.reason
    """
)


def count_quarantine_reasons(connection: Connection, run_id: str) -> dict[str, int]:
    """Quarantined photos by reason, the most frequent first."""
    return _counts(connection, _QUARANTINE_REASONS, run_id)


_SCREEN_STATES = text(
    """
    select screen, outcome ->> 'state', count(*)
    from (
        select distinct ar.content_sha256, ar.model_hash, ar.policy_version
        from moderation.audit_result ar
        where ar.run_id = :run_id and ar.machine_decision is not null
    ) as scored
    join moderation.verdict v using (content_sha256, model_hash, policy_version)
    cross join lateral jsonb_each(v.screens) as each_screen(screen, outcome)
    group by 1, 2 order by 1, 2
    """
)


def count_screen_states(connection: Connection, run_id: str) -> dict[str, dict[str, int]]:
    """Screen -> state -> contents, sorted by both names."""
    counts: dict[str, dict[str, int]] = {}
    for screen, state, contents in connection.execute(_SCREEN_STATES, {"run_id": run_id}):
        counts.setdefault(screen, {})[state] = contents
    return counts


_REUSED_DECISIONS = text(
    """
    select reused_decision, count(*) from moderation.audit_image
    where run_id = :run_id and reused_decision is not null group by reused_decision
    """
)


def count_reused_decisions(connection: Connection, run_id: str) -> dict[str, int]:
    """Photos by the reviewer decision that was reused for them."""
    return _counts(connection, _REUSED_DECISIONS, run_id)


_SPOT_CHECKS = text(
    """
    select case v.decision when 'block' then 'block' else 'pass' end, count(*)
    from moderation.review_task t
    join moderation.verdict v on v.content_sha256 = t.content_sha256
        and v.model_hash = t.model_hash and v.policy_version = t.policy_version
    where t.run_id = :run_id and t.route = 'spot_check' group by 1
    """
)


def count_spot_checks(connection: Connection, run_id: str) -> dict[str, int]:
    """Spot checks that the run opened, by the decision (`pass` or `block`) that they check."""
    return _counts(connection, _SPOT_CHECKS, run_id)


def _counts(connection: Connection, query: TextClause, run_id: str) -> dict[str, int]:
    return {name: number for name, number in connection.execute(query, {"run_id": run_id})}  # noqa: C416 - rows, not pairs, to mypy
