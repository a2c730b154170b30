"""Read and annotate DAG runs over Airflow's REST API."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from ml.core.errors import RejudgeFailed, SettingsError

log = structlog.get_logger()

CONNECTION_ID = "moderation_airflow_api"
_TIMEOUT_SECONDS = 10.0
_MAX_NOTE = 1000  # characters; Airflow's API rejects longer ones
_NOBODY = "nobody in time · 无人按时答复"
_POLICY = "policy: auto"


@contextmanager
def open_api_client() -> Iterator[httpx.Client]:
    """A client of the API, logged in by the connection (type http: host, port, login, password).

    Raises:
        SettingsError: the connection is not defined.
        httpx.HTTPError: the API does not answer, or rejects login or password.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(CONNECTION_ID)
    except AirflowNotFoundException as error:
        raise SettingsError(f"the Airflow connection {CONNECTION_ID} is not defined") from error
    base = f"{connection.schema or 'http'}://{connection.host}:{connection.port}"
    with httpx.Client(base_url=base, timeout=_TIMEOUT_SECONDS) as client:
        login = {"username": connection.login, "password": connection.password}
        token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@dataclass(frozen=True)
class ApprovalAnswer:
    """Who decided, and whether they rejected the candidate."""

    by: str
    rejected: bool


def answer(context: Any) -> ApprovalAnswer:  # noqa: ANN401 - Airflow's context is a mapping of anything
    """Read the answer from the run; where no approval was requested, the policy decided."""
    response = context["ti"].xcom_pull(task_ids="approve")
    if not response:
        return ApprovalAnswer(_POLICY, rejected=False)
    user = response.get("responded_by_user") or {}
    return ApprovalAnswer(
        by=user.get("name") or user.get("id") or _NOBODY,
        rejected=response["chosen_options"] == ["Reject"],
    )


def write_note(dag_id: str, run_id: str, note: str) -> bool:
    """Write the note of a run; returns whether it was written.

    The content is also stored elsewhere: without the Airflow connection, or where the API does not
    answer, the task logs a warning and goes on.
    """
    path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
    body, fields = {"note": note[:_MAX_NOTE]}, {"update_mask": "note"}
    try:
        with open_api_client() as client:
            client.patch(path, json=body, params=fields).raise_for_status()
    except (SettingsError, httpx.HTTPError) as error:
        log.warning("no note on the run", error=str(error))
        return False
    return True


def runs_over(ti: Any, dedup_keys: Iterable[str], *, own_dag: str) -> list[str]:  # noqa: ANN401 - Airflow's RuntimeTaskInstance
    """Of open alerts' keys, those whose run has succeeded since or was deleted.

    A key is `dag_id/run_id`; one without a run stands for all runs of a DAG. The key of `own_dag`
    is always among them: its task `ti` is running.
    """
    return [key for key in dedup_keys if key == own_dag or _is_over(ti, key)]


def _is_over(ti: Any, dedup_key: str) -> bool:  # noqa: ANN401 - as above
    dag_id, _, run_id = dedup_key.partition("/")
    if not run_id:
        return False
    exists = ti.get_dr_count(dag_id=dag_id, run_ids=[run_id])
    return not exists or bool(ti.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=["success"]))


def have_succeeded(ti: Any, dag_id: str, run_ids: Collection[str]) -> bool:  # noqa: ANN401 - as above
    """Whether all runs have succeeded; False while one of them waits or runs.

    Raises:
        RejudgeFailed: all have ended, and not all have succeeded.
    """

    def has(run_id: str, *states: str) -> bool:
        return bool(ti.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=list(states)))

    if any(has(run_id, "queued", "running") for run_id in run_ids):
        return False
    if failed := [run_id for run_id in run_ids if not has(run_id, "success")]:
        raise RejudgeFailed(
            f"of {len(run_ids)} runs of {dag_id}, {len(failed)} failed or were deleted: "
            f"{', '.join(failed)}; clear them, then clear this task"
        )
    return True
