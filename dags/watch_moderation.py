"""The watch: is the night done, does the queue move, has anything failed; wiring."""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task

from moderation_airflow.masked_settings import masked_settings
from moderation_airflow.task_defaults import task_defaults
from moderation_airflow.webhook_notifier import WebhookNotifier

DOC = """
### Watch over nights and queue · 值守

Every 15 minutes: raises the alerts that hold by the policy's section `alerts`, closes those that
are over, tells of both by webhook, and sends the gauges of queue and alerts.

**Healthy** when green. What it found is in its XCom: `open` are the alerts that hold, `left` the
messages that the webhook did not take; they go out with the next run.

| red | means | do |
|---|---|---|
| `watch` | database or settings; nothing is told meanwhile but this | what its last line says |

Running it by hand is harmless. What each alert means: `docs/runbook.md`, Alerts.
"""

SETTINGS = masked_settings()
DAG_ID = "watch_moderation"
TOLD = WebhookNotifier(each_run=False)


@dag(
    dag_id=DAG_ID,
    schedule=CronTriggerTimetable(SETTINGS.watch_schedule, timezone=SETTINGS.timezone),
    start_date=pendulum.datetime(2026, 1, 1, tz=SETTINGS.timezone),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=14),
    default_args=task_defaults(retry_seconds=min(30, SETTINGS.retry_seconds), told=TOLD)
    | {"execution_timeout": timedelta(minutes=4), "retries": 2},
    on_failure_callback=TOLD,
    tags=["moderation", "watch"],
    doc_md=DOC,
)
def watch_moderation() -> None:
    """Wire `ml.alerting`."""

    @task
    def watch() -> dict[str, Any]:
        """Look once; what Airflow knows of failed runs goes along."""
        from ml.alerting import steps
        from moderation_airflow.run_states import runs_over

        ti = get_current_context()["ti"]
        return steps.watch(runs_over(ti, steps.failed_runs(), own_dag=DAG_ID))

    watch()


watch_moderation()
