"""The weekly clean-up: what the policy's section `retention` lets go, and nothing needs; wiring."""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import CronDataIntervalTimetable, Param, dag, get_current_context, task

from moderation_airflow.masked_settings import masked_settings
from moderation_airflow.task_defaults import task_defaults
from moderation_airflow.webhook_notifier import WebhookNotifier

DOC = """
### Delete what had its days · 到期数据清理

Deletes what the policy's section `retention` lets go: superseded verdicts, resolved quarantine
rows, shadow verdicts, training files, pictures in reports, copies of photos that people decided on.
**Never** what a label, the golden set, the random audit, a known bad photo, an open task, the
champion or a run within the days needs (`docs/retention.md`). **Healthy** when green; the note has
counts and bytes.

**A run by hand only counts**, unless `dry_run` is set to false; scheduled runs follow the policy,
the first one as soon as the DAG is turned on (the runbook says how to look first). Ages count back
from the end of the run's data interval.

| red task | means | do |
|---|---|---|
| `plan` | the policy file cannot be used | what its last line says |
| a kind | database or bucket failed in the middle | clear it: it goes on, the counts add up |

Clearing is always safe. More: `docs/runbook.md`.
"""

SETTINGS = masked_settings()
TOLD = WebhookNotifier()
KINDS = (
    "verdicts", "quarantine", "shadow_verdicts", "trainings", "report_photos", "kept_photos",
)  # fmt: skip


@dag(
    dag_id="purge_expired",
    schedule=CronDataIntervalTimetable(SETTINGS.retention_schedule, timezone=SETTINGS.timezone),
    start_date=pendulum.datetime(2026, 1, 1, tz=SETTINGS.timezone),
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(retry_seconds=SETTINGS.retry_seconds, told=TOLD),
    on_failure_callback=TOLD,
    params={
        "dry_run": Param(
            None,
            type=["null", "boolean"],
            description="true: only count; false: delete; none: count if started by hand",
        ),
    },
    tags=["moderation", "weekly"],
    doc_md=DOC,
)
def purge_expired() -> None:
    """Wire the steps of `ml.retention`."""

    @task
    def plan() -> dict[str, Any]:
        """Fix cut-off and policy for this run."""
        from ml.retention import steps

        context = get_current_context()
        run = context["dag_run"]
        return steps.plan(
            run.run_id,
            interval_end=context.get("data_interval_end"),
            run_after=run.run_after,
            dry_run=context["params"]["dry_run"],
            by_hand=run.run_type == "manual",
        )

    @task(execution_timeout=timedelta(hours=3))
    def purge(kind: str, planned: dict[str, Any]) -> dict[str, Any]:
        """Delete one kind, or count it."""
        from ml.retention import steps

        return steps.purge(kind, planned)

    @task
    def report(planned: dict[str, Any], results: list[dict[str, Any]]) -> str:
        """Put what was deleted on the run as a note."""
        from ml.retention import steps
        from moderation_airflow.run_note import write_note

        run = get_current_context()["dag_run"]
        note = steps.note(planned, results)
        write_note(run.dag_id, run.run_id, note)
        return note

    planned = plan()
    results = [purge.override(task_id=kind)(kind, planned) for kind in KINDS]
    report(planned, results)


purge_expired()
