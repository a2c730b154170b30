"""What failed, in words, from the context that Airflow gives to a failure callback."""

from dataclasses import dataclass
from typing import Any

from ml.errors import ModerationError

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
    said = f"{name}: {error}" if isinstance(error, ModerationError) else name
    return said[:MAX_ERROR]
