"""The steps of a nightly run as a workflow calls them: plain types, settings or the environment's.

A step imports its module when it runs: a workflow starts a process for each, and most need no
torch, which takes seconds.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from ml.core.settings import Settings
from ml.core.types import Shard
from ml.core.window import resolve_window
from ml.policy.schema import load_alerts
from ml.storage import audit_runs
from ml.storage.connections import task_context
from ml.storage.database import in_transaction


def preflight(
    run_id: str,
    *,
    requested: tuple[str | None, str | None],
    data_interval: tuple[datetime, datetime] | None,
    run_after: datetime,
    settings: Settings | None = None,
) -> dict[str, str]:
    """See `resolve_window` of `ml.core.window`, and `ml.moderation.nightly.preflight`."""
    from ml.moderation.nightly.preflight import preflight

    with task_context(settings, run_id=run_id) as (loaded, connections):
        window = resolve_window(
            requested=requested,
            data_interval=data_interval,
            run_after=run_after,
            schedule=loaded.schedule,
            timezone=loaded.timezone,
        )
        run = preflight(run_id, window, settings=loaded, connections=connections)
        return {
            "window_start": run.window.start.isoformat(),
            "window_end": run.window.end.isoformat(),
            "model_hash": run.model_hash,
            "policy_version": run.policy.version,
            "device": run.device,
        }


def remember_decisions(run_id: str, *, settings: Settings | None = None) -> dict[str, int]:
    """See `ml.moderation.nightly.remember_decisions`; nothing is loaded where no screen asks."""
    with task_context(settings, run_id=run_id) as (loaded, connections):
        run = in_transaction(connections.engine, audit_runs.load, run_id)
        if not run.policy.screens.of_model:
            return {}
        from ml.moderation.nightly.remember_decisions import remember_decisions

        return remember_decisions(run_id, settings=loaded, connections=connections)


def discover(run_id: str, *, settings: Settings | None = None) -> list[dict[str, Any]]:
    """Shards as dictionaries; see `ml.moderation.nightly.discover`."""
    from ml.moderation.nightly.discover import discover

    with task_context(settings, run_id=run_id) as (loaded, connections):
        shards = discover(run_id, settings=loaded, connections=connections)
        return [asdict(shard) for shard in shards]


def score_shard(shard: dict[str, Any], *, settings: Settings | None = None) -> dict[str, int]:
    """See `ml.moderation.nightly.score_shard`."""
    from ml.moderation.nightly.score_shard import score_shard

    of_shard = {"run_id": shard["run_id"], "shard": shard["index"]}
    with task_context(settings, **of_shard) as (loaded, connections):
        return score_shard(Shard(**shard), settings=loaded, connections=connections)


def write_back(run_id: str, *, settings: Settings | None = None) -> dict[str, int]:
    """See `ml.moderation.nightly.write_back`."""
    from ml.moderation.nightly.write_back import write_back

    with task_context(settings, run_id=run_id) as (loaded, connections):
        return write_back(run_id, settings=loaded, connections=connections)


def reconcile(run_id: str, *, settings: Settings | None = None) -> dict[str, int]:
    """See `ml.moderation.nightly.reconcile`."""
    from ml.moderation.nightly.reconcile import reconcile

    with task_context(settings, run_id=run_id) as (loaded, connections):
        return asdict(reconcile(run_id, settings=loaded, connections=connections))


def report(run_id: str, *, settings: Settings | None = None) -> dict[str, Any]:
    """See `ml.moderation.nightly.report`."""
    from ml.moderation.nightly.report import report

    with task_context(settings, run_id=run_id) as (loaded, connections):
        return report(run_id, settings=loaded, connections=connections)


def check_quarantine(
    run_id: str, report: dict[str, Any], *, settings: Settings | None = None
) -> None:
    """See `ml.moderation.nightly.report`; by the policy file as it is now."""
    from ml.moderation.nightly.report import check_quarantine

    with task_context(settings, run_id=run_id) as (loaded, connections):
        run = in_transaction(connections.engine, audit_runs.load, run_id)
        check_quarantine(report, load_alerts(loaded.policy_file, run.policy))
