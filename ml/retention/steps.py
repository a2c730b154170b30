"""The steps of `purge_expired` as a workflow calls them: plain types at the border."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any

from ml.connections import Connections, open_connections
from ml.policy.policy import load_policy
from ml.retention.kept_photos import purge_kept_photos
from ml.retention.note import markdown
from ml.retention.plan import Plan, from_json, make_plan
from ml.retention.purging import Purged
from ml.retention.quarantine import purge_quarantine
from ml.retention.report_photos import purge_report_photos
from ml.retention.shadow_verdicts import purge_shadow_verdicts
from ml.retention.trainings import purge_trainings
from ml.retention.verdicts import purge_verdicts
from ml.settings import Settings, load_settings

_PURGES: dict[str, Callable[[Plan, Connections, Settings], Purged]] = {
    "verdicts": lambda plan, connections, _: purge_verdicts(plan, connections),
    "quarantine": lambda plan, connections, _: purge_quarantine(plan, connections),
    "shadow_verdicts": lambda plan, connections, _: purge_shadow_verdicts(plan, connections),
    "trainings": lambda plan, connections, _: purge_trainings(plan, connections),
    "report_photos": lambda plan, connections, _: purge_report_photos(plan, connections),
    "kept_photos": purge_kept_photos,
}


def plan(
    run_id: str,
    *,
    interval_end: datetime | None,
    run_after: datetime,
    dry_run: bool | None,
    by_hand: bool,
) -> dict[str, Any]:
    """See `ml.retention.plan.make_plan`; the policy is the one in force now.

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
    """Delete one kind as planned; killed and tried again it goes on."""
    settings = load_settings()
    with closing(open_connections(settings)) as connections:
        return _PURGES[kind](from_json(planned), connections, settings).to_json()


def note(planned: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """The run's note."""
    return markdown(from_json(planned), [Purged(**result) for result in results])
