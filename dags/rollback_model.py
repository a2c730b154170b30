"""Undo a promotion: an earlier version becomes champion; optionally run past windows again."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, TriggerRule, dag, get_current_context, task

from moderation_airflow.alerts import WebhookNotifier
from moderation_airflow.assets import CHAMPION, describe_event
from moderation_airflow.steps import fail_without_retry, run_step
from moderation_airflow.task_defaults import dag_defaults, masked_settings

DOC = """
### Roll back a model · 模型回滚

Makes an earlier version the champion; the release history keeps both. The next nightly run uses it;
a run in progress keeps its model. **Parameters · 参数:** `version` ("previous", a model hash or its
first digits), `reason`, and `run_ids`: nightly runs whose windows the restored version judges again
(reviewers' decisions stay). Clearing a task is safe; clearing the whole run with "previous" goes
back one more version.

将较早的版本重新设为现役模型，下一次夜间运行起生效；可指定已完成的夜间运行用该版本重新判定。

| failed task · 失败任务 | cause · 原因 | what to do · 处理 |
|---|---|---|
| `resolve`, `switch` | no such version, or other classes | follow the last line of its log |
| `rejudge` | a nightly run could not be started | clear it: what it has started stays |
| `wait_for_runs` | a nightly run failed; its log names it | clear that run, then this task |

More: `docs/runbook.md`.
"""

SETTINGS = masked_settings()
AUDIT = "audit_review_images"
MAX_WAIT = timedelta(days=2)


@task
def resolve() -> str:
    """Resolve the version before anything changes."""
    from ml.learning.retrain import steps

    return run_step(steps.resolve_version, get_current_context()["params"]["version"])


@task(outlets=[CHAMPION])
def switch(model_hash: str) -> str:
    """Make it the champion."""
    from ml.learning.retrain import steps

    context = get_current_context()
    run = context["dag_run"]
    restored: str = run_step(
        steps.roll_back,
        model_hash,
        by=getattr(run, "triggering_user_name", None) or run.run_id,
        reason=context["params"]["reason"] or f"rollback_model {run.run_id}",
    )
    describe_event(CHAMPION, {"run_id": run.run_id, "model_hash": restored})
    return restored


@task
def runs_to_rejudge(model_hash: str) -> list[dict[str, Any]]:
    """Windows of the named runs, each with the id of its new run."""
    from ml.learning.retrain import steps

    context = get_current_context()
    return run_step(
        steps.runs_to_rejudge,
        context["params"]["run_ids"],
        model_hash,
        rollback_id=context["dag_run"].run_id,
    )


# Gives its worker slot back between two looks; also when there was nothing to start, and in a
# retry, where the runs exist. A look within seconds of the last one may begin before Airflow has
# noted its end, which counts as a failed attempt.
@task.sensor(
    poke_interval=max(5, min(60, SETTINGS.retry_seconds)),
    timeout=MAX_WAIT.total_seconds(),
    mode="reschedule",
    trigger_rule=TriggerRule.NONE_FAILED,
)
def wait_for_runs(started: list[dict[str, Any]]) -> bool:
    """Wait until all these runs have succeeded; fail when they have ended and one has failed."""
    from moderation_airflow.runs import have_succeeded

    ti = get_current_context()["ti"]
    with fail_without_retry():
        return have_succeeded(ti, AUDIT, [run["trigger_run_id"] for run in started])


@dag(
    dag_id="rollback_model",
    schedule=None,
    params={
        "version": Param(
            "previous", type="string", minLength=8, description="previous, or a model hash"
        ),
        "reason": Param("", type="string", description="kept in the release history"),
        "run_ids": Param(
            [], type="array", items={"type": "string"}, description="ids of nightly runs to repeat"
        ),
    },
    tags=["moderation"],
    doc_md=DOC,
    **dag_defaults(SETTINGS, WebhookNotifier()),
)
def rollback_model() -> None:
    """Wire `ml.learning.retrain.promote` and the nightly runs to repeat."""
    runs = runs_to_rejudge(switch(resolve()))
    rejudge = TriggerDagRunOperator.partial(
        task_id="rejudge",
        trigger_dag_id=AUDIT,
        logical_date=None,
        skip_when_already_exists=True,
        map_index_template="{{ task.trigger_run_id }}",
    ).expand_kwargs(runs)
    rejudge >> wait_for_runs(runs)


rollback_model()
