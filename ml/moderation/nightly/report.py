"""Last step: the nightly run in numbers, for `audit_run`, XCom and the note on the run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ml.core.errors import QuarantineShareExceeded
from ml.core.settings import Settings
from ml.moderation.nightly.reconcile import RunAccounting, count_outcomes
from ml.policy.operations import Alerts
from ml.policy.schema import Prices
from ml.policy.spot_check import CONFIDENCE, SpotCheckCounts, count_contradictions, estimate_rate
from ml.storage import audit_runs, run_reports
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.leak_estimates import count_spot_checks, leak_of_a_year, write_estimates


@dataclass(frozen=True)
class Cost:
    """Yuan: the cost of manual review alone, and that of the run: machine and remaining review.

    `saved` is negative if the run costs more; `saved_share` is None without photos.
    """

    manual_only: float
    machine: float
    review: float
    saved: float
    saved_share: float | None


def cost_of(*, photos: int, reviewed: int, machine_seconds: float, prices: Prices) -> Cost:
    """What a run costs versus manual review of all its photos.

    `reviewed` are the photos that are reviewed in any case: verdict `review`, the quarantined ones
    and those that were drawn. `machine_seconds` are wall-clock seconds of the scoring machine.
    """
    manual_only = photos * prices.manual_yuan_per_photo
    machine = machine_seconds / 3600 * prices.machine_yuan_per_hour
    review = reviewed * prices.manual_yuan_per_photo
    saved = manual_only - machine - review
    return Cost(
        manual_only=round(manual_only, 2),
        machine=round(machine, 4),
        review=round(review, 2),
        saved=round(saved, 2),
        saved_share=round(saved / manual_only, 4) if manual_only else None,
    )


@dataclass(frozen=True)
class NightlyReport:
    """The stored report of a nightly run, as JSON by `asdict`; counts are photos."""

    run_id: str
    window: dict[str, str]  # ISO times `start` and `end`
    model_hash: str
    policy_version: str
    device: str  # and the computation
    fallback: str | None
    listed: int
    judged: int
    quarantined: int
    already_judged: int
    rows_without_key: int  # commerce rows, no photos
    verdicts: dict[str, int]
    quarantine_reasons: dict[str, int]
    screens: dict[str, dict[str, int]]  # screen -> state or `not_needed` -> contents
    reused_decisions: dict[str, int]
    spot_check: dict[str, int]
    active_learning: int
    leak: list[dict[str, Any]]  # estimates of the last twelve months
    seconds: dict[str, float]  # by stage, summed over the shards
    images_per_second: float | None
    yuan: Cost


def report(run_id: str, *, settings: Settings, connections: Connections) -> dict[str, Any]:
    """Compute the report of a reconciled run, store it in its row and return it.

    That of an expired run is returned as stored: the rows that it counts may be deleted.
    Raises `RunNotStarted` if an earlier step did not finish.
    """
    return in_transaction(connections.engine, _load_or_compute, run_id, settings, connections)


def check_quarantine(report: Mapping[str, Any], alerts: Alerts) -> None:
    """Check a report, after everything was written.

    Raises:
        QuarantineShareExceeded: more photos were quarantined than the policy expects.
    """
    quarantined, listed = report["quarantined"], report["listed"]
    if alerts.allows_quarantine(quarantined, listed):
        return
    raise QuarantineShareExceeded(
        f"{quarantined:,} of {listed:,} photos are quarantined ({quarantined / listed:.1%}, "
        f"at most {alerts.max_quarantine_share:.1%} are usual): "
        f"{report['quarantine_reasons']}. All results are written. Look at the reasons; if they "
        "are right, raise alerts.max_quarantine_share of the policy and clear this task"
    )


def _load_or_compute(
    connection: Connection, run_id: str, settings: Settings, connections: Connections
) -> dict[str, Any]:
    row = audit_runs.row_of(connection, run_id)
    if row["expired_at"] is not None and row["report"] is not None:
        stored: dict[str, Any] = row["report"]
        return stored
    accounting = count_outcomes(connection, run_id, connections.commerce, settings.commerce)
    run = audit_runs.load(connection, run_id)
    without_key = row["rows_without_key"]
    computed = asdict(_compute(connection, run, settings, accounting, without_key))
    audit_runs.set_values(connection, run_id, report=computed)
    return computed


def _compute(
    connection: Connection,
    run: AuditRun,
    settings: Settings,
    accounting: RunAccounting,
    rows_without_key: int,
) -> NightlyReport:
    run_id = run.run_id
    decisions = run_reports.count_decisions(connection, run_id)
    spot_checks = run_reports.count_spot_checks(connection, run_id)
    drawn_to_learn = run_reports.count_active_learning(connection, run_id)
    seconds = audit_runs.seconds_of(connection, run_id)
    wall_seconds = seconds.get("wall", 0.0)
    images = accounting.judged + accounting.quarantined
    drawn = sum(spot_checks.values()) + drawn_to_learn
    reviewed = decisions.get("review", 0) + accounting.quarantined + drawn
    return NightlyReport(
        run_id=run_id,
        window={"start": run.window.start.isoformat(), "end": run.window.end.isoformat()},
        model_hash=run.model_hash,
        policy_version=run.policy.version,
        device=run.device,
        fallback=run.fallback,
        listed=accounting.listed,
        judged=accounting.judged,
        quarantined=accounting.quarantined,
        already_judged=accounting.already_judged,
        rows_without_key=rows_without_key,
        verdicts={name: decisions.get(name, 0) for name in ("pass", "review", "block")},
        quarantine_reasons=run_reports.count_quarantine_reasons(connection, run_id),
        screens=run_reports.count_screen_states(connection, run_id),
        reused_decisions=run_reports.count_reused_decisions(connection, run_id),
        spot_check={"passed": spot_checks.get("pass", 0), "blocked": spot_checks.get("block", 0)},
        active_learning=drawn_to_learn,
        leak=_update_leak_estimates(connection, run, settings.timezone),
        seconds={stage: round(value, 2) for stage, value in seconds.items()},
        images_per_second=round(images / wall_seconds, 1) if wall_seconds else None,
        yuan=cost_of(
            photos=accounting.listed,
            reviewed=reviewed,
            machine_seconds=wall_seconds,
            prices=run.policy.prices,
        ),
    )


def _update_leak_estimates(
    connection: Connection, run: AuditRun, timezone: str
) -> list[dict[str, Any]]:
    """Recompute the estimates of a year up to the run's window; returns them."""
    since = run.window.end - timedelta(days=366)
    answers = count_spot_checks(connection, timezone=timezone, since=since)
    counts = count_contradictions(answers, run.policy)
    write_estimates(connection, [_estimate_row(count) for count in counts])
    until = run.window.end.astimezone(ZoneInfo(timezone)).date()
    return leak_of_a_year(connection, until=until.isoformat())


def _estimate_row(counts: SpotCheckCounts) -> dict[str, Any]:
    row = asdict(counts) | asdict(estimate_rate(counts)) | {"confidence": CONFIDENCE}
    row["class"] = row.pop("name")
    return row
