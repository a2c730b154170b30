"""Last step: the night in numbers, for `audit_run`, XCom and the note on the run."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, TextClause, text

from ml.audit.reconcile import take_account
from ml.connections import Connections
from ml.policy.policy import Prices
from ml.settings import Settings
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.database import in_transaction
from ml.storage.leak import leak_of_a_year, update_leak


@dataclass(frozen=True)
class Cost:
    """Yuan: what people alone would cost, what the run costs, and the difference."""

    manual_only: float
    machine: float
    review: float

    @property
    def saved(self) -> float:
        """Yuan not spent; negative when the run costs more than people alone."""
        return self.manual_only - self.machine - self.review

    @property
    def saved_share(self) -> float | None:
        """Share of the manual cost that is saved; None where there was nothing to judge."""
        return self.saved / self.manual_only if self.manual_only else None


def cost_of(*, photos: int, by_people: int, machine_seconds: float, prices: Prices) -> Cost:
    """What a run costs beside manual review of all its photos.

    Args:
        photos: photos that people would have had to look at.
        by_people: photos that people still look at: verdict `review`, the quarantined, and those
            that the random audit drew.
        machine_seconds: wall-clock seconds of the judging machine.
        prices: of the policy.
    """
    return Cost(
        manual_only=photos * prices.manual_yuan_per_photo,
        machine=machine_seconds / 3600 * prices.machine_yuan_per_hour,
        review=by_people * prices.manual_yuan_per_photo,
    )


_VERDICTS = text(
    """
    select decision, count(*) from moderation.audit_result
    where run_id = :run_id and decision is not null group by decision
    """
)

_QUARANTINE = text(
    """
    select q.reason, count(*)
    from moderation.audit_image ai
    join moderation.quarantine q on q.object_key = ai.object_key and q.etag = ai.etag
    where ai.run_id = :run_id and ai.outcome = 'quarantined'
    group by q.reason order by count(*) desc, q.reason
    """
)


_SCREENS = text(
    """
    select screen || '/' || (outcome ->> 'state'), count(*)
    from (
        select distinct ar.content_sha256, ar.model_hash, ar.policy_version
        from moderation.audit_result ar
        where ar.run_id = :run_id and ar.machine_decision is not null
    ) as judged
    join moderation.verdict v using (content_sha256, model_hash, policy_version)
    cross join lateral jsonb_each(v.screens) as each_screen(screen, outcome)
    group by 1 order by 1
    """
)

_REUSED = text(
    """
    select reused_decision, count(*) from moderation.audit_image
    where run_id = :run_id and reused_decision is not null group by reused_decision
    """
)

_AUDITED = text(
    """
    select case v.decision when 'block' then 'block' else 'pass' end, count(*)
    from moderation.review_task t
    join moderation.verdict v on v.content_sha256 = t.content_sha256
        and v.model_hash = t.model_hash and v.policy_version = t.policy_version
    where t.run_id = :run_id and t.route = 'random_audit' group by 1
    """
)


def report(run_id: str, *, settings: Settings, connections: Connections) -> dict[str, Any]:
    """Compute the report of a reconciled run, store it in its row and return it.

    The stored one stays, once the policy's retention may have deleted rows that it counts.

    Raises:
        RunNotBegun: an earlier step did not finish.
    """
    return in_transaction(connections.engine, lambda c: _report(c, run_id, settings))


def _report(connection: Connection, run_id: str, settings: Settings) -> dict[str, Any]:
    row = audit_runs.row_of(connection, run_id)
    if row["expired_at"] is not None and row["report"] is not None:
        stored: dict[str, Any] = row["report"]
        return stored
    run = audit_runs.load(connection, run_id)
    account = take_account(connection, run_id, settings)
    mine = {"run_id": run_id}
    found = _counts(connection, _VERDICTS, mine)
    verdicts = {decision: found.get(decision, 0) for decision in ("pass", "review", "block")}
    audited = _counts(connection, _AUDITED, mine)
    seconds = audit_runs.seconds_of(connection, run_id)
    cost = cost_of(
        photos=account.listed,
        by_people=verdicts["review"] + account.quarantined + sum(audited.values()),
        machine_seconds=seconds.get("wall", 0.0),
        prices=run.policy.prices,
    )
    summary = {
        "run_id": run_id,
        "window": {"start": run.window.start.isoformat(), "end": run.window.end.isoformat()},
        "model_hash": run.model_hash,
        "policy_version": run.policy.version,
        "device": run.device,
        "listed": account.listed,
        "judged": account.judged,
        "quarantined": account.quarantined,
        "already_judged": account.already_judged,
        "verdicts": verdicts,
        "quarantine_reasons": _counts(connection, _QUARANTINE, mine),
        "screens": _by_screen(_counts(connection, _SCREENS, mine)),
        "reused_decisions": _counts(connection, _REUSED, mine),
        "random_audit": {"passed": audited.get("pass", 0), "blocked": audited.get("block", 0)},
        "leak": _leak(connection, run, settings),
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
        "images_per_second": _rate(account.judged + account.quarantined, seconds.get("wall")),
        "yuan": _yuan(cost),
    }
    audit_runs.set_values(connection, run_id, report=summary)
    return summary


def _leak(connection: Connection, run: AuditRun, settings: Settings) -> list[dict[str, Any]]:
    """Bring the estimates up to date; those of the year up to the run's window."""
    update_leak(connection, policy=run.policy, timezone=settings.timezone)
    until = run.window.end.astimezone(ZoneInfo(settings.timezone)).date()
    return leak_of_a_year(connection, until=until.isoformat())


def _by_screen(counts: dict[str, int]) -> dict[str, dict[str, int]]:
    """Screen -> state -> contents, from `screen/state`."""
    found: dict[str, dict[str, int]] = {}
    for name, photos in counts.items():
        screen, _, state = name.partition("/")
        found.setdefault(screen, {})[state] = photos
    return found


def _counts(connection: Connection, query: TextClause, values: dict[str, str]) -> dict[str, int]:
    return {name: number for name, number in connection.execute(query, values)}  # noqa: C416 - rows, not pairs, to mypy


def _rate(images: int, seconds: float | None) -> float | None:
    return round(images / seconds, 1) if seconds else None


def _yuan(cost: Cost) -> dict[str, float | None]:
    share = cost.saved_share
    return {
        "manual_only": round(cost.manual_only, 2),
        "machine": round(cost.machine, 4),
        "review": round(cost.review, 2),
        "saved": round(cost.saved, 2),
        "saved_share": None if share is None else round(share, 4),
    }
