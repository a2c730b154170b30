"""Report failed tasks and runs as alerts."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from ml.core.errors import ModerationError

if TYPE_CHECKING:
    from airflow.sdk import Context


MAX_ERROR = 500  # characters
WHOLE_RUN = "run"  # in place of a task: Airflow ended the run itself, as after its time-out


@dataclass(frozen=True)
class Failure:
    """A failed run, the task that failed first, and what is said of it."""

    dag_id: str
    run_id: str
    task_id: str
    error: str


def failure_of(context: Any) -> Failure:  # noqa: ANN401 - Airflow's context is a mapping of anything
    """Read the context of a task's or a DAG's callback."""
    # That of a DAG's own callback names a task, too: the last one, not what failed.
    task_id = WHOLE_RUN if "reason" in context else str(context["ti"].task_id)
    return Failure(context["dag"].dag_id, str(context["run_id"]), task_id, _error(context))


def _error(context: Any) -> str:  # noqa: ANN401 - as above
    """Ours in full, for they carry the remedy; of others the kind: who knows what is in them."""
    error = context.get("exception")
    if error is None:
        return str(context.get("reason") or "killed, or lost with its worker")
    name = type(error).__name__
    message = f"{name}: {error}" if isinstance(error, ModerationError) else name
    return message[:MAX_ERROR]


class WebhookNotifier(BaseNotifier):
    """One alert a run, however many of its tasks fail; `ml.operations.alerting` delivers it.

    Args:
        each_run: False: one alert a DAG, until one of its runs succeeds. For a DAG that runs every
            few minutes.
    """

    def __init__(self, *, each_run: bool = True) -> None:
        super().__init__()
        self._each_run = each_run

    def notify(self, context: "Context") -> None:
        """Raise the alert; Airflow says in the task's log what cannot be delivered."""
        from ml.operations.alerting import steps

        failure = failure_of(context)
        dedup_key = f"{failure.dag_id}/{failure.run_id}" if self._each_run else failure.dag_id
        steps.run_failed(dedup_key, **asdict(failure))
