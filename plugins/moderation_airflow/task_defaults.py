"""What every task of ours shares: owner, retries, which errors are worth one, who is told."""

from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from moderation_airflow.webhook_notifier import WebhookNotifier

# A wrong setting, policy, model or file does not get better by waiting; the rest may.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[
                "ml.errors.SettingsError",
                "ml.errors.ModelError",
                "ml.errors.TrainingError",
                "ml.errors.StorageForbidden",
                "ml.errors.RunNotBegun",
                "ml.errors.ReconciliationError",
            ],
            action=RetryAction.FAIL,
            reason="needs a person: the message names the remedy",
        )
    ]
)


def task_defaults(*, retry_seconds: int, told: WebhookNotifier) -> dict[str, Any]:
    """`default_args` of a DAG; `told` is called when a task has failed for good.

    Three more tries over some ten minutes: a restart of database or bucket is over by then.
    """
    return {
        "owner": "moderation",
        "retries": 3,
        "retry_delay": timedelta(seconds=retry_seconds),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=10),
        "retry_policy": RETRY_POLICY,
        "execution_timeout": timedelta(minutes=30),
        "on_failure_callback": told,
    }
