"""Call a step of `ml/` in a task: with resolved settings, and without retries of final errors.

A wrong setting, policy, model or file does not get better by waiting: its task fails without
retries, in all versions of Airflow alike. The message says what to do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from ml.core.errors import (
    ModelError,
    ReconciliationError,
    RejudgeFailed,
    RunNotStarted,
    SettingsError,
    StorageForbidden,
    TrainingError,
)
from moderation_airflow.connections import connection_names, task_settings

_PERMANENT = (
    SettingsError, ModelError, TrainingError, StorageForbidden, RunNotStarted,
    ReconciliationError, RejudgeFailed,
)  # fmt: skip


def run_step(step: Callable[..., Any], *args: Any, **options: Any) -> Any:  # noqa: ANN401 - those of the step
    """Return what the step returns; its settings are resolved now.

    Raises:
        AirflowFailException: an error that a retry would not change; its cause is that error.
        StorageForbidden: of the credentials of a connection: the next attempt asks for it again,
            and it may have been rotated meanwhile.
    """
    with fail_without_retry():
        settings = task_settings()
    names = connection_names(settings)
    with fail_without_retry(names):
        try:
            return step(*args, settings=settings, **options)
        except StorageForbidden as error:
            if not names:
                raise
            refused = error
    raise type(refused)(f"{refused} ({names})") from refused


@contextmanager
def fail_without_retry(note: str = "") -> Iterator[None]:
    """Let a task fail for good after an error that needs an operator; `note` is said, too."""
    try:
        yield
    except _PERMANENT as error:
        message = f"{type(error).__name__}: {error}{f' ({note})' if note else ''}"
        raise AirflowFailException(message) from error
