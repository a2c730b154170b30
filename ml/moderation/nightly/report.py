"""Last step: the nightly run in numbers, for `audit_run`, XCom and the note on the run."""

from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ml.core.settings import Settings
from ml.core.window import Window
from ml.moderation.nightly.leak_estimates import update_leak_estimates
from ml.moderation.nightly.reconcile import count_outcomes
from ml.policy.schema import Prices
from ml.storage import audit_runs, run_reports
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.leak_estimates import leak_of_a_year


@dataclass(frozen=True)
class Cost:
    """Yuan: the cost of manual review alone, and that of the run: machine and remaining review."""

    manual_only: float
    machine: float
    review: float

    @property
    def saved(self) -> float:
        """Yuan saved; negative if the run costs more than manual review alone."""
        return self.manual_only - self.machine - self.review

    @property
    def saved_share(self) -> float | None:
        """Share of the manual cost that is saved; None without photos."""
        return self.saved / self.manual_only if self.manual_only else None


def cost_of(*, photos: int, reviewed: int, machine_seconds: float, prices: Prices) -> Cost:
    """What a run costs versus manual review of all its photos.

    Args:
        photos: of the run; without it, all of them would be reviewed manually.
        reviewed: photos that are reviewed in any case: verdict `review`, the quarantined ones and
            the spot checks.
        machine_seconds: wall-clock seconds of the scoring machine.
        prices: of the policy.
    """
    return Cost(
        manual_only=photos * prices.manual_yuan_per_photo,
        machine=machine_seconds / 3600 * prices.machine_yuan_per_hour,
        review=reviewed * prices.manual_yuan_per_photo,
    )


@dataclass(frozen=True)
class CostReport:
    """A `Cost` as it is stored: rounded yuan, and the share as 0..1."""

    manual_only: float
    machine: float
    review: float
    saved: float
    saved_share: float | None


@dataclass(frozen=True)
class NightlyReport:
    """The stored report of a nightly run, as JSON by `asdict`.

    `window` has the ISO times `start` and `end`. Counts are photos, but for `screens` (screen ->
    state -> contents) and `leak`, the estimates of the last twelve months. `seconds` are by stage,
    summed over the shards.
    """

    run_id: str
    window: dict[str, str]
    model_hash: str
    policy_version: str
    device: str
    listed: int
    judged: int
    quarantined: int
    already_judged: int
    verdicts: dict[str, int]
    quarantine_reasons: dict[str, int]
    screens: dict[str, dict[str, int]]
    reused_decisions: dict[str, int]
    spot_check: dict[str, int]
    leak: list[dict[str, Any]]
    seconds: dict[str, float]
    images_per_second: float | None
    yuan: CostReport


def report(run_id: str, *, settings: Settings, connections: Connections) -> dict[str, Any]:
    """Compute the report of a reconciled run, store it in its row and return it.

    That of an expired run is returned as stored: the rows that it counts may be deleted.

    Raises:
        RunNotStarted: an earlier step did not finish.
    """
    return in_transaction(connections.engine, lambda c: _load_or_compute(c, run_id, settings))


def _load_or_compute(connection: Connection, run_id: str, settings: Settings) -> dict[str, Any]:
    row = audit_runs.row_of(connection, run_id)
    if row["expired_at"] is not None and row["report"] is not None:
        stored: dict[str, Any] = row["report"]
        return stored
    computed = asdict(_compute(connection, audit_runs.load(connection, run_id), settings))
    audit_runs.set_values(connection, run_id, report=computed)
    return computed


def _compute(connection: Connection, run: AuditRun, settings: Settings) -> NightlyReport:
    run_id = run.run_id
    accounting = count_outcomes(connection, run_id, settings)
    decisions = run_reports.count_decisions(connection, run_id)
    spot_checks = run_reports.count_spot_checks(connection, run_id)
    seconds = audit_runs.seconds_of(connection, run_id)
    wall_seconds = seconds.get("wall", 0.0)
    cost = cost_of(
        photos=accounting.listed,
        reviewed=decisions.get("review", 0) + accounting.quarantined + sum(spot_checks.values()),
        machine_seconds=wall_seconds,
        prices=run.policy.prices,
    )
    return NightlyReport(
        run_id=run_id,
        window=_window(run.window),
        model_hash=run.model_hash,
        policy_version=run.policy.version,
        device=run.device,
        listed=accounting.listed,
        judged=accounting.judged,
        quarantined=accounting.quarantined,
        already_judged=accounting.already_judged,
        verdicts={name: decisions.get(name, 0) for name in ("pass", "review", "block")},
        quarantine_reasons=run_reports.count_quarantine_reasons(connection, run_id),
        screens=run_reports.count_screen_states(connection, run_id),
        reused_decisions=run_reports.count_reused_decisions(connection, run_id),
        spot_check={
            "passed": spot_checks.get("pass", 0),
            "blocked": spot_checks.get("block", 0),
        },
        leak=_update_leak_estimates(connection, run, settings),
        seconds={stage: round(value, 2) for stage, value in seconds.items()},
        images_per_second=_per_second(accounting.judged + accounting.quarantined, wall_seconds),
        yuan=_cost_report(cost),
    )


def _window(window: Window) -> dict[str, str]:
    return {"start": window.start.isoformat(), "end": window.end.isoformat()}


def _update_leak_estimates(
    connection: Connection, run: AuditRun, settings: Settings
) -> list[dict[str, Any]]:
    """Recompute the estimates of all months; returns those of the year up to the run's window."""
    update_leak_estimates(connection, policy=run.policy, timezone=settings.timezone)
    until = run.window.end.astimezone(ZoneInfo(settings.timezone)).date()
    return leak_of_a_year(connection, until=until.isoformat())


def _per_second(images: int, seconds: float) -> float | None:
    return round(images / seconds, 1) if seconds else None


def _cost_report(cost: Cost) -> CostReport:
    share = cost.saved_share
    return CostReport(
        manual_only=round(cost.manual_only, 2),
        machine=round(cost.machine, 4),
        review=round(cost.review, 2),
        saved=round(cost.saved, 2),
        saved_share=None if share is None else round(share, 4),
    )
