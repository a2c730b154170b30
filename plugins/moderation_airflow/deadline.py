"""Airflow's deadline of a night: look at once, rather than with the next watch."""

from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference


def night_deadline(interval: timedelta) -> DeadlineAlert:
    """So long after a run was queued, whatever its state then."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=SyncCallback(look),
        name="night_late",
    )


def look(**_: Any) -> None:  # noqa: ANN401 - Airflow gives a context, which is not needed
    """Called by Airflow; the policy's rules decide whether anything is wrong."""
    from ml.alerting import steps

    steps.watch()
