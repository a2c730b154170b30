"""The steps of a nightly run as a workflow calls them: plain types, settings or the environment's.

A step imports its module when it runs: a workflow starts a process for each, and most need no
torch, which takes seconds.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ml.core.errors import RunNotStarted
from ml.core.settings import Settings
from ml.core.types import Shard
from ml.core.window import Window, resolve_window
from ml.policy.schema import load_alerts
from ml.storage import audit_runs
from ml.storage.connections import Connections, task_context
from ml.storage.database import in_transaction
from ml.storage.labels import count_by_class


def preflight(
    run_id: str,
    *,
    requested: tuple[str | None, str | None],
    data_interval: tuple[datetime, datetime] | None,
    run_after: datetime,
    by_uploads: bool = False,
    settings: Settings | None = None,
) -> dict[str, str]:
    """See `resolve_window` of `ml.core.window`, and `ml.moderation.nightly.preflight`."""
    from ml.moderation.nightly.preflight import preflight

    with task_context(settings, run_id=run_id) as (loaded, connections):
        window = _begun_window(run_id, connections) if by_uploads else None
        window = window or resolve_window(
            requested=requested,
            data_interval=data_interval,
            # Events that came while the run waited are of photos that it covers, too.
            run_after=datetime.now(UTC) if by_uploads else run_after,
            schedule=loaded.schedule,
            timezone=loaded.timezone,
            by_uploads=by_uploads,
        )
        run = preflight(run_id, window, settings=loaded, connections=connections)
        return {
            "window_start": run.window.start.isoformat(),
            "window_end": run.window.end.isoformat(),
            "model_hash": run.model_hash,
            "policy_version": run.policy.version,
            "device": run.device,
        }


def _begun_window(run_id: str, connections: Connections) -> Window | None:
    """The window that an earlier attempt has fixed."""
    try:
        return in_transaction(connections.engine, audit_runs.load, run_id).window
    except RunNotStarted:
        return None


def remember_decisions(run_id: str, *, settings: Settings | None = None) -> dict[str, int]:
    """See `ml.moderation.nightly.remember_decisions`; nothing is loaded where no screen asks."""
    with task_context(settings, run_id=run_id) as (loaded, connections):
        run = in_transaction(connections.engine, audit_runs.load, run_id)
        if not run.policy.screens.of_model:
            return {}
        from ml.moderation.nightly.remember_decisions import remember_decisions

        return remember_decisions(run_id, settings=loaded, connections=connections)


def count_labels(run_id: str, *, settings: Settings | None = None) -> dict[str, Any]:
    """Labels that reviewers gave in the window of the run, by class, and that window."""
    with task_context(settings, run_id=run_id) as (_, connections):
        window = in_transaction(connections.engine, audit_runs.load, run_id).window
        return {
            "window_start": window.start.isoformat(),
            "window_end": window.end.isoformat(),
            "labels": in_transaction(connections.engine, count_by_class, window.start, window.end),
        }


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
