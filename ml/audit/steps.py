"""The steps as a workflow calls them: settings from the environment, plain types at the border.

Every log line of a step names its run, and in `judge` its shard.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from structlog.contextvars import bound_contextvars

from ml.audit import discover as discovery
from ml.audit import judge as judging
from ml.audit import preflight as checks
from ml.audit import reconcile as accounting
from ml.audit import report as reporting
from ml.audit import write_back as writing
from ml.audit.window import resolve_window
from ml.connections import Connections, open_connections
from ml.operations import statsd
from ml.operations.gauges import of_night
from ml.settings import Settings, load_settings
from ml.storage.audit_runs import Shard


@contextmanager
def _opened(**about: object) -> Iterator[tuple[Settings, Connections]]:
    settings = load_settings()
    with bound_contextvars(**about), closing(open_connections(settings)) as connections:
        yield settings, connections


def preflight(
    run_id: str,
    *,
    given: tuple[str | None, str | None],
    data_interval: tuple[datetime, datetime] | None,
    run_after: datetime,
) -> dict[str, str]:
    """See `ml.audit.window.resolve_window` for the window, `ml.audit.preflight` for the rest."""
    with _opened(run_id=run_id) as (settings, connections):
        window = resolve_window(
            given=given,
            data_interval=data_interval,
            run_after=run_after,
            schedule=settings.schedule,
            timezone=settings.timezone,
        )
        run = checks.preflight(run_id, window, settings=settings, connections=connections)
        return {
            "window_start": run.window.start.isoformat(),
            "window_end": run.window.end.isoformat(),
            "model_hash": run.model_hash,
            "policy_version": run.policy.version,
            "device": run.device,
        }


def discover(run_id: str) -> list[dict[str, Any]]:
    """Shards as dictionaries; see `ml.audit.discover`."""
    with _opened(run_id=run_id) as (settings, connections):
        shards = discovery.discover(run_id, settings=settings, connections=connections)
        return [asdict(shard) for shard in shards]


def judge(shard: dict[str, Any]) -> dict[str, int]:
    """See `ml.audit.judge`."""
    with _opened(run_id=shard["run_id"], shard=shard["index"]) as (settings, connections):
        return judging.judge(Shard(**shard), settings=settings, connections=connections)


def write_back(run_id: str) -> dict[str, int]:
    """See `ml.audit.write_back`."""
    with _opened(run_id=run_id) as (settings, connections):
        return writing.write_back(run_id, settings=settings, connections=connections)


def reconcile(run_id: str) -> dict[str, int]:
    """See `ml.audit.reconcile`."""
    with _opened(run_id=run_id) as (settings, connections):
        return asdict(accounting.reconcile(run_id, settings=settings, connections=connections))


def report(run_id: str) -> dict[str, Any]:
    """See `ml.audit.report`; once it is stored, its numbers go out as metrics."""
    with _opened(run_id=run_id) as (settings, connections):
        summary = reporting.report(run_id, settings=settings, connections=connections)
        statsd.send(of_night(summary), settings)
        return summary
