"""What one nightly run did: counts for `reconcile` and `report`."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    literal_column,
    select,
    text,
)

from ml.storage.rows import is_found, load_dict
from ml.storage.schema import (
    audit_image,
    audit_result,
    audit_run,
    quarantine,
    review_task,
    verdict,
)

_result = audit_result.c
_image = audit_image.c


@dataclass(frozen=True)
class OutcomeCounts:
    """Images of a run by outcome; an outcome counts only with the row that proves it."""

    judged: int
    quarantined: int
    already_judged: int
    undecided: int


def count_outcomes(connection: Connection, run_id: str) -> OutcomeCounts:
    """Count a run's images by outcome."""
    is_decided = _result.decision.is_not(None)
    has_reason = is_found(
        quarantine,
        quarantine.c.object_key == _result.object_key,
        quarantine.c.etag == _result.etag,
    )
    counted = {
        "judged": and_(_result.outcome == "judged", is_decided),
        "quarantined": and_(_result.outcome == "quarantined", has_reason),
        "already_judged": and_(_result.outcome == "already_judged", is_decided),
        "undecided": _result.outcome.is_(None),
    }
    counts = (func.count().filter(counted[name]).label(name) for name in counted)
    query = select(*counts).select_from(audit_result).where(_result.run_id == run_id)
    return OutcomeCounts(**connection.execute(query).mappings().one())


def count_decisions(connection: Connection, run_id: str) -> dict[str, int]:
    """Photos by decision; decisions without a photo are missing."""
    of_run = (_result.run_id == run_id) & _result.decision.is_not(None)
    return _count_by(connection, _result.decision, select().where(of_run))


def count_reused_decisions(connection: Connection, run_id: str) -> dict[str, int]:
    """Photos by the reviewer decision that was reused for them."""
    of_run = (_image.run_id == run_id) & _image.reused_decision.is_not(None)
    return _count_by(connection, _image.reused_decision, select().where(of_run))


def count_quarantine_reasons(connection: Connection, run_id: str) -> dict[str, int]:
    """Quarantined photos by reason, the most frequent first."""
    of_image = and_(quarantine.c.object_key == _image.object_key, quarantine.c.etag == _image.etag)
    reason = select(quarantine.c.reason).where(of_image).scalar_subquery()
    quarantined = select().where(
        _image.run_id == run_id, _image.outcome == "quarantined", reason.is_not(None)
    )
    return _count_by(connection, reason, quarantined.order_by(func.count().desc(), text("value")))


def count_spot_checks(connection: Connection, run_id: str) -> dict[str, int]:
    """Spot checks that the run opened, by the decision (`pass` or `block`) that they check."""
    task = review_task.c
    of_run = select().where(*_drawn(run_id, "spot_check"))
    verdict_of_task = and_(
        verdict.c.content_sha256 == task.content_sha256,
        verdict.c.model_hash == task.model_hash,
        verdict.c.policy_version == task.policy_version,
    )
    checked = select(verdict.c.decision).where(verdict_of_task).scalar_subquery()
    return _count_by(connection, case((checked == "block", "block"), else_="pass"), of_run)


def count_active_learning(connection: Connection, run_id: str) -> int:
    """Photos that the run drew for what their labels would teach."""
    query = select(func.count()).select_from(review_task).where(*_drawn(run_id, "active_learning"))
    return connection.execute(query).scalar_one()


def _drawn(run_id: str, route: str) -> tuple[ColumnElement[bool], ...]:
    """Whether a task is of a photo that the run drew."""
    task = review_task.c
    started_at = select(audit_run.c.started_at).where(audit_run.c.run_id == run_id)
    return (
        task.run_id == run_id,
        task.route == literal_column(f"'{route}'"),  # a literal, for the partial index
        task.created_at >= started_at.scalar_subquery(),
    )


def _count_by(
    connection: Connection, value: ColumnElement[str], query: Select[Any]
) -> dict[str, int]:
    counts = query.add_columns(value.label("value"), func.count()).group_by("value")
    return load_dict(connection, counts)


_SCREEN_STATES = text(
    """
    select screen,
        case outcome ->> 'reason' when 'not_needed' then 'not_needed' else outcome ->> 'state' end,
        count(*)
    from (
        select distinct on (content_sha256) screens from moderation.audit_result
        where run_id = :run_id and machine_decision is not null
    ) as scored
    cross join lateral jsonb_each(screens) as each_screen(screen, outcome)
    group by 1, 2 order by 1, 2
    """
)


def count_screen_states(connection: Connection, run_id: str) -> dict[str, dict[str, int]]:
    """Screen -> state -> contents, sorted by both names; `not_needed` apart from `not_run`."""
    counts: dict[str, dict[str, int]] = {}
    for screen, state, contents in connection.execute(_SCREEN_STATES, {"run_id": run_id}):
        counts.setdefault(screen, {})[state] = contents
    return counts
