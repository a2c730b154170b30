"""What a person answered to the task `approve`, if it asked one."""

from dataclasses import dataclass
from typing import Any

NOBODY = "nobody in time · 无人按时答复"
POLICY = "policy: auto"


@dataclass(frozen=True)
class Answer:
    """Who decided, and whether it was a no."""

    by: str
    rejected: bool


def answer(context: Any) -> Answer:  # noqa: ANN401 - Airflow's context is a mapping of anything
    """Read the answer from the run; without a question the policy decided."""
    given = context["ti"].xcom_pull(task_ids="approve")
    if not given:
        return Answer(POLICY, rejected=False)
    user = given.get("responded_by_user") or {}
    return Answer(
        by=user.get("name") or user.get("id") or NOBODY,
        rejected=given["chosen_options"] == ["Reject"],
    )
