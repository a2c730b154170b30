"""Tells operators of a failed run: on_failure_callback of every task and DAG of ours."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier

from moderation_airflow.failure import failure_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class WebhookNotifier(BaseNotifier):
    """One alert a run, however many of its tasks fail; `ml.alerting` keeps and delivers it.

    Args:
        each_run: False: one alert a DAG, until one of its runs succeeds. For a DAG that runs every
            few minutes.
    """

    def __init__(self, *, each_run: bool = True) -> None:
        super().__init__()
        self._each_run = each_run

    def notify(self, context: "Context") -> None:
        """Raise the alert; Airflow says in the task's log what cannot be delivered."""
        from ml.alerting import steps

        failure = failure_of(context)
        fact = f"{failure.dag_id}/{failure.run_id}" if self._each_run else failure.dag_id
        steps.run_failed(fact, **asdict(failure))
