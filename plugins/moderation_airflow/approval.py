"""The approval of a candidate by a person."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from ml.policy.retraining import Retraining
from moderation_airflow.connections import task_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

_DEFAULT = timedelta(hours=Retraining().approval_hours)


class PolicyApproval(ApprovalOperator):
    """Waits as long as the policy that the run stored says; needs no policy file."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - those of ApprovalOperator
        super().__init__(response_timeout=_DEFAULT, **arguments)

    def pre_execute(self, context: "Context") -> None:
        """Set the time-out, before the wait begins."""
        from ml.learning.retrain import steps

        hours = steps.approval_hours(str(context["run_id"]), settings=task_settings())
        self.response_timeout = timedelta(hours=hours)
