"""Evaluate the alert rules every 15 minutes: nightly run, queue, failed runs; wiring."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task

from moderation_airflow.alerts import WebhookNotifier
from moderation_airflow.connections import task_settings
from moderation_airflow.task_defaults import dag_defaults, masked_settings

DOC = """
### Evaluate the alert rules · 告警检查

Every 15 minutes: raises and resolves alerts by the policy's section `alerts`, sends both to the
webhook, and sends the gauges of queue and alerts.

**Healthy · 正常**: the last run is green. Its XCom has the result: `open` are the open alerts,
`pending` the messages that the webhook did not accept; the next run sends them again.

每 15 分钟检查一次告警规则，触发与恢复均通过 webhook 通知。

| failed task · 失败任务 | cause · 原因 | what to do · 处理 |
|---|---|---|
| `evaluate` | database or settings; no other alert is sent | last line of its log |

A manual run is harmless. What each alert means: `docs/runbook.md`, Alerts.
"""

SETTINGS = masked_settings()
DAG_ID = "evaluate_alerts"
DEFAULTS = dag_defaults(SETTINGS, WebhookNotifier(each_run=False))
DEFAULTS["default_args"] |= {
    "retry_delay": timedelta(seconds=min(30, SETTINGS.retry_seconds)),
    "execution_timeout": timedelta(minutes=4),
    "retries": 2,
}


@dag(
    dag_id=DAG_ID,
    schedule=CronTriggerTimetable(SETTINGS.alerts_schedule, timezone=SETTINGS.timezone),
    dagrun_timeout=timedelta(minutes=14),
    tags=["moderation", "alerts"],
    doc_md=DOC,
    **DEFAULTS,
)
def evaluate_alerts() -> None:
    """Wire `ml.operations.alerting`."""

    @task
    def evaluate() -> dict[str, Any]:
        """Evaluate all rules once, with the failed runs that Airflow knows."""
        from ml.operations.alerting import steps
        from moderation_airflow.runs import runs_over

        ti = get_current_context()["ti"]
        return steps.evaluate_rules(
            runs_over(ti, steps.failed_runs(settings=task_settings()), own_dag=DAG_ID),
            settings=task_settings(),
        )

    evaluate()


evaluate_alerts()
