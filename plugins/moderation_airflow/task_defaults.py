"""What all DAG files share: task defaults, settings, placement, deadline."""

from datetime import timedelta
from typing import Any

import pendulum
import structlog
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from ml.core.errors import PolicyError
from ml.core.settings import Settings, load_settings
from ml.policy.operations import Alerts
from ml.policy.schema import load_policy
from moderation_airflow.alerts import WebhookNotifier
from moderation_airflow.connections import mask_secrets, task_settings

log = structlog.get_logger()


def run_deadline(interval: timedelta) -> DeadlineAlert:
    """An alert so long after a run was queued, whatever its state then."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=SyncCallback(on_deadline_missed),
        name="run_late",
    )


def on_deadline_missed(**_: Any) -> None:  # noqa: ANN401 - Airflow gives a context, which is not needed
    """Called by Airflow; evaluates the policy's alert rules."""
    from ml.operations.alerting import steps

    steps.evaluate_rules(settings=task_settings())


def masked_settings() -> Settings:
    """The settings, as a DAG file needs them when parsed; Airflow masks their secrets in logs.

    Connections stay unresolved: `moderation_airflow.connections.task_settings` asks for them.
    """
    settings = load_settings()
    mask_secrets(settings)
    return settings


def load_alert_rules(settings: Settings) -> Alerts:
    """The policy's section `alerts`; its defaults while the policy file cannot be used.

    A DAG file must be importable then: every task of a run in progress imports it again.
    """
    try:
        return load_policy(settings.policy_file).alerts
    except PolicyError as error:
        log.warning("the policy file cannot be used: default deadline", error=str(error))
        return Alerts()


def task_placement(settings: Settings) -> dict[str, Any]:
    """Arguments of a task that needs the model.

    CeleryExecutor uses the queue, KubernetesExecutor the pod template, LocalExecutor neither.
    """
    placement: dict[str, Any] = {"pool": settings.gpu_pool, "queue": settings.gpu_queue}
    if settings.gpu_pod_template:
        placement["executor_config"] = {"pod_template_file": str(settings.gpu_pod_template)}
    return placement


# A wrong setting, policy, model or file does not get better by waiting; the rest may.
_PERMANENT_ERRORS = (
    "SettingsError", "ModelError", "TrainingError", "StorageForbidden", "RunNotStarted",
    "ReconciliationError", "RejudgeFailed",
)  # fmt: skip
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[f"ml.core.errors.{name}" for name in _PERMANENT_ERRORS],
            action=RetryAction.FAIL,
            reason="needs an operator: the message says how to fix it",
        )
    ]
)


def dag_defaults(settings: Settings, notifier: WebhookNotifier) -> dict[str, Any]:
    """Arguments that all DAGs share."""
    return {
        "start_date": pendulum.datetime(2026, 1, 1, tz=settings.timezone),
        "catchup": False,
        "max_active_runs": 1,
        "default_args": task_defaults(retry_seconds=settings.retry_seconds, notifier=notifier),
        "on_failure_callback": notifier,
    }


def task_defaults(*, retry_seconds: int, notifier: WebhookNotifier) -> dict[str, Any]:
    """`default_args` of a DAG; `notifier` is called when a task has failed for good.

    Three retries over some ten minutes: a restart of database or bucket is over by then.
    """
    return {
        "owner": "moderation",
        "retries": 3,
        "retry_delay": timedelta(seconds=retry_seconds),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=10),
        "retry_policy": RETRY_POLICY,
        "execution_timeout": timedelta(minutes=30),
        "on_failure_callback": notifier,
    }
