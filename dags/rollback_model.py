"""Undo a promotion: an earlier version becomes champion again, nights are judged anew; wiring."""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, Param, dag, get_current_context, task

from moderation_airflow.masked_settings import masked_settings
from moderation_airflow.task_defaults import task_defaults
from moderation_airflow.webhook_notifier import WebhookNotifier

DOC = """
### Roll a model back · 模型回滚

Makes an earlier version the champion in one switch; the history keeps both. The next night uses
it, a night that is running keeps its own. **Parameters:** `version` ("previous", or a hash or the
start of one), `reason`, and `nights`: ids of audit runs whose windows the restored version judges
again (photos that a person decided stay as they are). Clearing a task is safe; clearing the whole
run with "previous" goes one further back.

| red task | means | do |
|---|---|---|
| `resolve`, `switch` | no such version, or one of other classes | what its last line says |
| `rejudge` | one of the nights failed | look at that run of `audit_review_images`, clear it |

More: `docs/runbook.md`.
"""

SETTINGS = masked_settings()
TOLD = WebhookNotifier()
CHAMPION = Asset("moderation_champion")


@dag(
    dag_id="rollback_model",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz=SETTINGS.timezone),
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(retry_seconds=SETTINGS.retry_seconds, told=TOLD),
    on_failure_callback=TOLD,
    params={
        "version": Param("previous", type="string", minLength=8, description="previous or a hash"),
        "reason": Param("", type="string", description="why; kept in the history"),
        "nights": Param([], type="array", items={"type": "string"}, description="audit run ids"),
    },
    tags=["moderation"],
    doc_md=DOC,
)
def rollback_model() -> None:
    """Wire `ml.retraining.rollback` and the nights to judge again."""

    @task
    def resolve() -> str:
        """Find the version that is meant, before anything changes."""
        from ml.retraining import steps

        return steps.resolve_version(get_current_context()["params"]["version"])

    @task(outlets=[CHAMPION])
    def switch(model_hash: str) -> str:
        """Make it the champion."""
        from ml.retraining import steps

        context = get_current_context()
        run = context["dag_run"]
        return steps.roll_back(
            model_hash,
            by=getattr(run, "triggering_user_name", None) or run.run_id,
            reason=context["params"]["reason"] or f"rollback_model {run.run_id}",
        )

    @task
    def nights(model_hash: str) -> list[dict[str, Any]]:
        """The windows of the named nights, each with the id of its new run."""
        from ml.retraining import steps

        return steps.nights_again(get_current_context()["params"]["nights"], model_hash)

    again = nights(switch(resolve()))
    TriggerDagRunOperator.partial(
        task_id="rejudge",
        trigger_dag_id="audit_review_images",
        skip_when_already_exists=True,
        wait_for_completion=True,
        poke_interval=5,
        execution_timeout=timedelta(hours=12),
        map_index_template="{{ task.trigger_run_id }}",
    ).expand_kwargs(again)


rollback_model()
