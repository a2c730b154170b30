"""Read and annotate DAG runs over Airflow's REST API."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import structlog

if TYPE_CHECKING:
    from airflow.sdk import Connection


CONNECTION_ID = "moderation_airflow_api"
TIMEOUT_SECONDS = 10.0


def connection() -> "Connection | None":
    """The connection (type http: host, port, login, password); None where it is not defined."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(CONNECTION_ID)
    except AirflowNotFoundException:
        return None


@contextmanager
def logged_in(known: "Connection") -> Iterator[httpx.Client]:
    """A client of the API.

    Raises:
        httpx.HTTPError: it does not answer, or refuses login or password.
    """
    base = f"{known.schema or 'http'}://{known.host}:{known.port}"
    with httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS) as client:
        login = {"username": known.login, "password": known.password}
        answer = client.post("/auth/token", json=login).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


NOBODY = "nobody in time · 无人按时答复"
POLICY = "policy: auto"


@dataclass(frozen=True)
class ApprovalAnswer:
    """Who decided, and whether it was a no."""

    by: str
    rejected: bool


def answer(context: Any) -> ApprovalAnswer:  # noqa: ANN401 - Airflow's context is a mapping of anything
    """Read the answer from the run; without a question the policy decided."""
    response = context["ti"].xcom_pull(task_ids="approve")
    if not response:
        return ApprovalAnswer(POLICY, rejected=False)
    user = response.get("responded_by_user") or {}
    return ApprovalAnswer(
        by=user.get("name") or user.get("id") or NOBODY,
        rejected=response["chosen_options"] == ["Reject"],
    )


log = structlog.get_logger()

MAX_NOTE = 1000  # characters; Airflow's API refuses longer ones


def write_note(dag_id: str, run_id: str, note: str) -> bool:
    """Write the note of a run; returns whether it stands.

    Needs the Airflow connection `moderation_airflow_api`, see `moderation_airflow.runs`.
    The note is a convenience and its content is stored elsewhere: without the connection, or when
    the API does not answer, this is said in the log and the task goes on.
    """
    known = connection()
    if known is None:
        log.warning("no note on the run: the Airflow connection is missing", needed=CONNECTION_ID)
        return False
    path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
    try:
        with logged_in(known) as client:
            client.patch(
                path, json={"note": note[:MAX_NOTE]}, params={"update_mask": "note"}
            ).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("no note on the run", error=str(error))
        return False
    return True


def runs_over(ti: Any, facts: Iterable[str], *, own_dag: str) -> list[str]:  # noqa: ANN401 - Airflow's RuntimeTaskInstance
    """Of facts `dag_id/run_id`, those whose run has succeeded since, or is no more.

    A dedup_key without a run is a whole DAG's. That of `own_dag`, which asks, is over: it runs.

    Args:
        ti: the task instance that asks; it may count runs of any DAG.
        facts: of open alerts.
        own_dag: the DAG of `ti`.
    """
    return [dedup_key for dedup_key in facts if dedup_key == own_dag or _is_over(ti, dedup_key)]


def _is_over(ti: Any, dedup_key: str) -> bool:  # noqa: ANN401 - as above
    dag_id, _, run_id = dedup_key.partition("/")
    if not run_id:
        return False
    there = ti.get_dr_count(dag_id=dag_id, run_ids=[run_id])
    return not there or bool(ti.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=["success"]))
