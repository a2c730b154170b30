"""Put a Markdown note on a DAG run, through Airflow's own API."""

from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import structlog

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = structlog.get_logger()

CONNECTION_ID = "moderation_airflow_api"
MAX_NOTE = 1000  # characters; Airflow's API refuses longer ones
TIMEOUT_SECONDS = 10.0


def write_note(dag_id: str, run_id: str, note: str) -> bool:
    """Write the note of a run; returns whether it stands.

    Needs the Airflow connection `moderation_airflow_api` (type http: host, port, login, password).
    The note is a convenience and its content is stored elsewhere: without the connection, or when
    the API does not answer, this is said in the log and the task goes on.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(CONNECTION_ID)
    except AirflowNotFoundException:
        log.warning("no note on the run: the Airflow connection is missing", needed=CONNECTION_ID)
        return False
    try:
        _patch(connection, dag_id, run_id, note[:MAX_NOTE])
    except httpx.HTTPError as error:
        log.warning("no note on the run", error=str(error))
        return False
    return True


def _patch(connection: "Connection", dag_id: str, run_id: str, note: str) -> None:
    scheme = connection.schema or "http"
    base = f"{scheme}://{connection.host}:{connection.port}"
    with httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS) as client:
        login = {"username": connection.login, "password": connection.password}
        answer = client.post("/auth/token", json=login).raise_for_status()
        client.patch(
            f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}",
            json={"note": note},
            params={"update_mask": "note"},
            headers={"Authorization": f"Bearer {answer.json()['access_token']}"},
        ).raise_for_status()
