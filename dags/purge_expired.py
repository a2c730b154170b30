"""Weekly purge of expired, unreferenced data (policy section `retention`); wiring."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, dag, get_current_context, task

from moderation_airflow.alerts import WebhookNotifier
from moderation_airflow.connections import task_settings
from moderation_airflow.task_defaults import dag_defaults, masked_settings

DOC = """
### Delete expired data · 清理过期数据

Deletes data older than the days in the policy's section `retention`: superseded verdicts, resolved
quarantine rows, shadow verdicts, training artifacts, report thumbnails, archived photos. **Never**
deletes what a label, the golden set, the spot check, the blocklist, an open review task, the
champion or a run within these days needs (`docs/retention.md`). **Healthy · 正常**: the last run is
green; its note has the counts and bytes.

每周删除超过保留期且不再被引用的数据。

**A manual run only counts · 手动运行只统计不删除**, unless `dry_run` is set to false. Scheduled
runs follow the policy; the first one starts as soon as the DAG is unpaused (the runbook says how to
check first). Ages count back from the end of the run's data interval.

| failed task · 失败任务 | cause · 原因 | what to do · 处理 |
|---|---|---|
| `plan` | the policy file is invalid | follow the last line of its log |
| any other | database or bucket failed | clear it: it resumes, and its counts add up |

Clearing a task is always safe. More: `docs/runbook.md`.
"""

SETTINGS = masked_settings()
KINDS = (
    "verdicts", "quarantine", "shadow_verdicts", "training_artifacts", "report_photos",
    "archived_photos",
)  # fmt: skip


@task
def plan() -> dict[str, Any]:
    """Fix the retention cutoff and the policy for this run."""
    from ml.operations.retention import steps

    context = get_current_context()
    run = context["dag_run"]
    return steps.plan(
        run.run_id,
        interval_end=context.get("data_interval_end"),
        run_after=run.run_after,
        dry_run=context["params"]["dry_run"],
        manual=run.run_type == "manual",
    )


@task(execution_timeout=timedelta(hours=3))
def purge(kind: str, planned: dict[str, Any]) -> dict[str, Any]:
    """Delete one kind, or count it."""
    from ml.operations.retention import steps

    return steps.purge(kind, planned, settings=task_settings())


@task
def report(planned: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """Write what was deleted on the run as a note."""
    from ml.operations.retention import steps
    from moderation_airflow.runs import write_note

    run = get_current_context()["dag_run"]
    note = steps.note(planned, results)
    write_note(run.dag_id, run.run_id, note)
    return note


@dag(
    dag_id="purge_expired",
    schedule=CronDataIntervalTimetable(SETTINGS.retention_schedule, timezone=SETTINGS.timezone),
    params={
        "dry_run": Param(
            None,
            type=["null", "boolean"],
            description="true: only count; false: delete; none: count in manual runs",
        ),
    },
    tags=["moderation", "weekly"],
    doc_md=DOC,
    **dag_defaults(SETTINGS, WebhookNotifier()),
)
def purge_expired() -> None:
    """Wire the steps of `ml.operations.retention`."""
    planned = plan()
    results = [purge.override(task_id=kind)(kind, planned) for kind in KINDS]
    report(planned, results)


purge_expired()
