"""The monthly loop: people's labels in, a better champion out, or the reason why not; wiring."""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import (
    Asset,
    CronDataIntervalTimetable,
    Param,
    TriggerRule,
    dag,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from ml.errors import TooFewLabels
from ml.policy.policy import load_policy
from moderation_airflow.masked_settings import masked_settings
from moderation_airflow.model_place import model_place
from moderation_airflow.task_defaults import task_defaults
from moderation_airflow.webhook_notifier import WebhookNotifier

DOC = """
### Monthly retraining · 每月模型再训练

Learns from people's labels and promotes the result only if every gate holds. **Healthy** is any
green run: its note says whether a model was promoted, held (by which gates), rejected, or whether
there were too few new labels. The full report: tab *Model report* of the run.

| task | means | red: do |
|---|---|---|
| `freeze` | labels become a named snapshot; skipped: too few new ones | clear it |
| `check_labels` | labels that look wrong go to a second review | clear it |
| `train` | goes on from its last epoch when it is retried | read its last line, clear it |
| `calibrate` | temperature and cut-offs, solved on held-out labels | clear it |
| `evaluate`, `gate` | candidate beside champion; skipped after `gate`: held | read the report |
| `shadow` | by policy, waits for a night judged beside the champion | no night came: start one |
| `approve` | **a person answers here** (Required Actions); no answer in time: rejected | |
| `promote` | one switch; the running night keeps its model | clear it |

Undo a promotion with the DAG `rollback_model`. Clearing is always safe. More: `docs/runbook.md`.
"""

SETTINGS = masked_settings()
TOLD = WebhookNotifier()
POLICY = load_policy(SETTINGS.policy_file)
MODEL_PLACE = model_place(SETTINGS)
CHAMPION = Asset("moderation_champion")
SHADOW_WAIT = timedelta(days=2)


def _run_id() -> str:
    return str(get_current_context()["dag_run"].run_id)


@task
def freeze() -> dict[str, Any]:
    """Name the labels to learn from; skip the month when there are too few new ones."""
    from ml.retraining import steps

    context = get_current_context()
    try:
        return steps.freeze(
            context["dag_run"].run_id,
            given=context["params"]["as_of"],
            interval_end=context.get("data_interval_end"),
            run_after=context["dag_run"].run_after,
            preset=context["params"]["preset"],
            seed=context["params"]["seed"],
        )
    except TooFewLabels as error:
        raise AirflowSkipException(str(error)) from error


@task(execution_timeout=timedelta(hours=2), **MODEL_PLACE)
def check_labels() -> dict[str, int]:
    """Look for labels that the photos speak against; open second reviews."""
    from ml.retraining import steps

    return steps.check_labels(_run_id())


@task(execution_timeout=timedelta(hours=12), **MODEL_PLACE)
def train() -> str:
    """Train the candidate; a retry goes on after the last whole epoch."""
    from ml.retraining import steps

    return steps.train(_run_id())


@task
def calibrate(training_key: str) -> str:
    """Fit the temperature, solve the cut-offs, register the candidate."""
    from ml.retraining import steps

    return steps.calibrate(_run_id(), training_key)


@task(execution_timeout=timedelta(hours=2), **MODEL_PLACE)
def evaluate() -> dict[str, Any]:
    """Measure candidate and champion on the golden set and the newest labels."""
    from ml.retraining import steps

    return steps.evaluate(_run_id())


@task.short_circuit(ignore_downstream_trigger_rules=False)
def gate() -> bool:
    """Decide whether the candidate may be promoted; the reasons go into the report."""
    from ml.retraining import steps

    return steps.gate(_run_id())


@task.sensor(
    poke_interval=min(60, SETTINGS.retry_seconds),
    timeout=SHADOW_WAIT.total_seconds(),
    mode="reschedule",
)
def shadow() -> bool:
    """By policy, wait for a night that was judged by the candidate, too."""
    from ml.retraining import steps

    return steps.shadow(_run_id())


@task
def brief() -> str:
    """What a person must know before answering."""
    from ml.retraining import steps

    return steps.brief(_run_id())


@task.branch
def who_decides() -> str:
    """A person or the policy."""
    from ml.retraining import steps

    return steps.who_decides(_run_id())


@task(outlets=[CHAMPION], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def promote() -> str:
    """Make the candidate the champion, in one transaction."""
    from ml.retraining import steps
    from moderation_airflow.approval import answer

    context = get_current_context()
    return steps.promote(context["dag_run"].run_id, by=answer(context).by)


@task
def close() -> str:
    """Write down how the month ended, and put it on the run as a note."""
    from ml.retraining import steps
    from moderation_airflow.approval import answer
    from moderation_airflow.run_note import write_note

    context = get_current_context()
    run = context["dag_run"]
    answered = answer(context)
    rejected_by = answered.by if answered.rejected else None
    note = steps.close(run.run_id, rejected_by=rejected_by)
    write_note(run.dag_id, run.run_id, note)
    return note


@dag(
    dag_id="retrain_model",
    schedule=CronDataIntervalTimetable(SETTINGS.retrain_schedule, timezone=SETTINGS.timezone),
    start_date=pendulum.datetime(2026, 1, 1, tz=SETTINGS.timezone),
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(retry_seconds=SETTINGS.retry_seconds, told=TOLD),
    on_failure_callback=TOLD,
    params={
        "as_of": Param(
            None, type=["null", "string"], format="date-time", description="labels until then"
        ),
        "preset": Param(SETTINGS.retrain_preset, type="string", description="of config/training"),
        "seed": Param(0, type="integer", description="of split, order and augmentation"),
    },
    tags=["moderation", "monthly"],
    doc_md=DOC,
)
def retrain_model() -> None:
    """Wire the steps of `ml.retraining`."""
    approve = ApprovalOperator(
        task_id="approve",
        subject="Promote this candidate? · 是否上线此候选模型？",
        body="{{ ti.xcom_pull(task_ids='brief') }}",
        defaults="Reject",
        response_timeout=timedelta(hours=POLICY.retraining.approval_hours),
        assigned_users=[{"id": n, "name": n} for n in SETTINGS.model_owners] or None,
    )
    trained = train()
    decided = who_decides()
    promoted = promote()
    freeze() >> check_labels() >> trained
    calibrate(trained) >> evaluate() >> gate() >> shadow() >> brief() >> decided
    decided >> approve >> promoted
    decided >> promoted
    promoted >> close().as_teardown()


retrain_model()
