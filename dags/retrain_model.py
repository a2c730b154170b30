"""Monthly retraining: labels in, a promoted model or the reason against it out; wiring."""

from datetime import timedelta
from types import ModuleType
from typing import Any

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

from ml.core.errors import NotEnoughLabels
from moderation_airflow.alerts import WebhookNotifier
from moderation_airflow.approval import PolicyApproval
from moderation_airflow.connections import task_settings
from moderation_airflow.task_defaults import dag_defaults, masked_settings, task_placement

DOC = """
### Monthly retraining · 每月模型再训练

Trains a candidate on the reviewers' labels and promotes it only if every gate passes. **Healthy ·
正常** is any green run: its note says whether a model was promoted, held (by which gates) or
rejected, or whether there were too few new labels. Full report: tab *Model report* of the run.

用审核员的标签训练候选模型，上线检查全部通过后经审批上线。绿色即正常，结果见运行备注；完整报告见
*Model report* 标签页。

| task · 任务 | does · 作用 | if it failed · 失败时 |
|---|---|---|
| `snapshot_labels` | creates a label snapshot; skipped: too few new labels | clear it |
| `check_labels` | sends suspected label errors and disputed golden labels to review | clear it |
| `train` | trains the candidate; a retry resumes after the last epoch | see its log, clear it |
| `distill` | by policy: pretrained weights for the next run · 下月的预训练权重 | clear it |
| `calibrate` | fits temperature and threshold on held-out labels | clear it |
| `evaluate`, `gate` | candidate versus champion; all after `gate` skipped: held | read the report |
| `shadow` | by policy: waits for a nightly run with the shadow model | start a nightly run |
| `approve` | **waits for approval · 等待人工审批** (Required Actions); no answer: rejected | |
| `promote` | makes the candidate the champion; a run in progress keeps its model | clear it |

Undo a promotion with the DAG `rollback_model`. Clearing a task is always safe. More:
`docs/runbook.md`.
"""

SETTINGS = masked_settings()
MODEL_PLACE = task_placement(SETTINGS)
CHAMPION = Asset("moderation_champion")
SHADOW_WAIT = timedelta(days=2)


def _steps() -> ModuleType:
    """The steps, imported when a task runs: parsing this file must not wait for them."""
    from ml.learning.retrain import steps

    return steps


def _run_id() -> str:
    return str(get_current_context()["dag_run"].run_id)


@task
def snapshot_labels() -> dict[str, Any]:
    """Create the label snapshot; skip the run when there are too few new labels."""
    context = get_current_context()
    try:
        return _steps().create_snapshot(
            context["dag_run"].run_id,
            requested=context["params"]["as_of"],
            interval_end=context.get("data_interval_end"),
            run_after=context["dag_run"].run_after,
            preset=context["params"]["preset"],
            seed=context["params"]["seed"],
            settings=task_settings(),
        )
    except NotEnoughLabels as error:
        raise AirflowSkipException(str(error)) from error


@task(execution_timeout=timedelta(hours=2), **MODEL_PLACE)
def check_labels() -> dict[str, int]:
    """Find suspected label errors; open second reviews of them and of disputed golden labels."""
    return _steps().check_labels(_run_id(), settings=task_settings())


@task(execution_timeout=timedelta(hours=12), **MODEL_PLACE)
def train() -> str:
    """Train the candidate; a retry resumes after the last complete epoch."""
    return _steps().train(_run_id(), settings=task_settings())


@task(
    execution_timeout=timedelta(hours=12),
    trigger_rule=TriggerRule.NONE_FAILED,
    **MODEL_PLACE,
)
def distill() -> str:
    """If the policy asks for it, distill pretrained weights for the next run."""
    weights = _steps().distill(_run_id(), settings=task_settings())
    if weights is None:
        raise AirflowSkipException(
            "the policy asks for no distillation, or MODERATION_ARCHITECTURE is not resnet18"
        )
    return str(weights)


# Where the bound is not met, the champion scores photos.
@task(execution_timeout=timedelta(hours=2), **MODEL_PLACE)
def calibrate(training_key: str) -> str:
    """Fit the temperature, solve the threshold, register the candidate."""
    return _steps().calibrate(_run_id(), training_key, settings=task_settings())


@task(execution_timeout=timedelta(hours=2), **MODEL_PLACE)
def evaluate() -> dict[str, Any]:
    """Compare candidate and champion on photos that neither has seen."""
    return _steps().evaluate(_run_id(), settings=task_settings())


@task.short_circuit(ignore_downstream_trigger_rules=False)
def gate() -> bool:
    """Run the gates; their results go into the report."""
    return _steps().gate(_run_id(), settings=task_settings())


# Two looks within seconds count as a failed attempt, see `rollback_model`.
@task.sensor(
    poke_interval=max(5, min(60, SETTINGS.retry_seconds)),
    timeout=SHADOW_WAIT.total_seconds(),
    mode="reschedule",
)
def shadow() -> bool:
    """If the policy asks for it, wait for a nightly run with the candidate as shadow model."""
    return _steps().shadow(_run_id(), settings=task_settings())


@task
def approval_summary() -> str:
    """What an approver needs to know."""
    return _steps().approval_summary(_run_id(), settings=task_settings())


@task.branch
def approval_mode() -> str:
    """Choose between approval by a person and by the policy."""
    return _steps().approval_mode(_run_id(), settings=task_settings())


@task(outlets=[CHAMPION], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def promote() -> str:
    """Make the candidate the champion, in one transaction."""
    from moderation_airflow.runs import answer

    return _steps().promote(
        _run_id(), by=answer(get_current_context()).by, settings=task_settings()
    )


@task
def finalize() -> str:
    """Store how the run ended, and write it on the run as a note."""
    from moderation_airflow.runs import answer, write_note

    approval = answer(get_current_context())
    rejected_by = approval.by if approval.rejected else None
    note = _steps().finalize_run(_run_id(), rejected_by=rejected_by, settings=task_settings())
    write_note("retrain_model", _run_id(), note)
    return note


@dag(
    dag_id="retrain_model",
    schedule=CronDataIntervalTimetable(SETTINGS.retrain_schedule, timezone=SETTINGS.timezone),
    params={
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date-time",
            description="use labels until this time",
        ),
        "preset": Param(
            SETTINGS.retrain_preset, type="string", description="preset of config/training"
        ),
        "seed": Param(0, type="integer", description="seed of split, order and augmentation"),
    },
    tags=["moderation", "monthly"],
    doc_md=DOC,
    **dag_defaults(SETTINGS, WebhookNotifier()),
)
def retrain_model() -> None:
    """Wire the steps of `ml.learning.retrain`."""
    approve = PolicyApproval(
        task_id="approve",
        subject="Promote this candidate? · 是否上线此候选模型？",
        body="{{ ti.xcom_pull(task_ids='approval_summary') }}",
        defaults="Reject",
        assigned_users=[{"id": n, "name": n} for n in SETTINGS.approvers] or None,
    )
    trained = train()
    decided = approval_mode()
    promoted = promote()
    snapshot_labels() >> check_labels() >> trained
    evaluated = evaluate()
    evaluated >> distill()  # after what the candidate needs the GPU for, also in a skipped run
    calibrate(trained) >> evaluated >> gate() >> shadow() >> approval_summary() >> decided
    decided >> approve >> promoted
    decided >> promoted
    promoted >> finalize().as_teardown()


retrain_model()
