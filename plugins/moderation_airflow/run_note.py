"""Put a Markdown note on a DAG run, through Airflow's own API."""

from urllib.parse import quote

import httpx
import structlog

from moderation_airflow.api import CONNECTION_ID, connection, logged_in

log = structlog.get_logger()

MAX_NOTE = 1000  # characters; Airflow's API refuses longer ones


def write_note(dag_id: str, run_id: str, note: str) -> bool:
    """Write the note of a run; returns whether it stands.

    Needs the Airflow connection `moderation_airflow_api`, see `moderation_airflow.api`.
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
