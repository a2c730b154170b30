"""Steps of `purge_expired` for a workflow: settings from the environment, plain types."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any

from ml.core.settings import Settings, load_settings
from ml.operations.retention.archived_photos import purge_archived_photos
from ml.operations.retention.plan import Plan, from_json, make_plan
from ml.operations.retention.purge import Purged
from ml.operations.retention.quarantine import purge_quarantine
from ml.operations.retention.report_photos import purge_report_photos
from ml.operations.retention.run_note import markdown
from ml.operations.retention.training_artifacts import purge_training_artifacts
from ml.operations.retention.verdicts import purge_shadow_verdicts, purge_verdicts
from ml.policy.schema import load_policy
from ml.storage.connections import Connections, open_connections

_PURGES: dict[str, Callable[[Plan, Connections, Settings], Purged]] = {
    "verdicts": lambda plan, connections, _: purge_verdicts(plan, connections),
    "quarantine": lambda plan, connections, _: purge_quarantine(plan, connections),
    "shadow_verdicts": lambda plan, connections, _: purge_shadow_verdicts(plan, connections),
    "training_artifacts": lambda plan, connections, _: purge_training_artifacts(plan, connections),
    "report_photos": lambda plan, connections, _: purge_report_photos(plan, connections),
    "archived_photos": purge_archived_photos,
}


def plan(
    run_id: str,
    *,
    interval_end: datetime | None,
    run_after: datetime,
    dry_run: bool | None,
    by_hand: bool,
) -> dict[str, Any]:
    """See `ml.operations.retention.plan.make_plan`; the policy is the one in force now.

    Raises:
        PolicyError: the policy file cannot be used.
    """
    policy = load_policy(load_settings().policy_file)
    made = make_plan(
        run_id, retention=policy.retention, interval_end=interval_end, run_after=run_after,
        dry_run=dry_run, by_hand=by_hand,
    )  # fmt: skip
    return made.to_json()


def purge(kind: str, planned: dict[str, Any]) -> dict[str, Any]:
    """Delete one kind as planned; a retry after a kill continues."""
    settings = load_settings()
    with closing(open_connections(settings)) as connections:
        return _PURGES[kind](from_json(planned), connections, settings).to_json()


def note(planned: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """The run's note."""
    return markdown(from_json(planned), [Purged(**result) for result in results])
