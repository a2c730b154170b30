"""Report failed tasks and runs as alerts."""

from typing import TYPE_CHECKING, Any

import structlog
from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowFailException

from ml.core.errors import ConnectionUnavailable, ModerationError, SettingsError
from ml.core.settings import Settings, load_settings
from moderation_airflow.connections import task_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = structlog.get_logger()

MAX_ERROR = 500  # characters
WHOLE_RUN = "run"  # in place of a task: Airflow ended the run itself, as after its time-out


class WebhookNotifier(BaseNotifier):
    """One alert per run, however many of its tasks fail; `ml.operations.alerting` delivers it.

    Args:
        each_run: False: one alert per DAG, until one of its runs succeeds. For a DAG that runs
            every few minutes.
    """

    def __init__(self, *, each_run: bool = True) -> None:
        super().__init__()
        self._each_run = each_run

    def notify(self, context: "Context") -> None:
        """Raise the alert; the task's log says what cannot be delivered."""
        from ml.operations.alerting import steps

        failure = failure_of(context)
        dag_id, run_id = failure["dag_id"], failure["run_id"]
        key = f"{dag_id}/{run_id}" if self._each_run else dag_id
        steps.run_failed(key, settings=_settings(), **failure)


def _settings() -> Settings:
    """Those of a task; without a connection the alert goes to the webhook, unstored."""
    try:
        return task_settings()
    except (SettingsError, ConnectionUnavailable) as error:
        log.warning("no connection to store the alert by", error=str(error))
        return load_settings()


def failure_of(context: Any) -> dict[str, str]:  # noqa: ANN401 - Airflow's context is a mapping of anything
    """Read the DAG, the run, the task that failed and the error from a callback's context."""
    return {
        "dag_id": context["dag"].dag_id,
        "run_id": str(context["run_id"]),
        # The context of a DAG's own callback names a task, too: the last one, not the failed one.
        "task_id": WHOLE_RUN if "reason" in context else str(context["ti"].task_id),
        "error": _error(context),
    }


def _error(context: Any) -> str:  # noqa: ANN401 - as above
    """Our errors in full, since they say the remedy; of others the type: they may hold secrets."""
    error = context.get("exception")
    if error is None:
        return str(context.get("reason") or "killed, or lost with its worker")
    if isinstance(error, AirflowFailException) and isinstance(error.__cause__, ModerationError):
        error = error.__cause__  # a task that must not be retried wraps our error
    name = type(error).__name__
    message = f"{name}: {error}" if isinstance(error, ModerationError) else name
    return message[:MAX_ERROR]
