"""Client of Airflow's REST API for the demos and the tests."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

import httpx

from ml.core.errors import ServiceError

DAG_PARSE_SECONDS = 120.0  # parsing a new DAG file takes seconds; more on a busy machine
REQUEST_SECONDS = 30.0
APPROVAL_DELAY = timedelta(seconds=5)


class AirflowClient:
    """Client of Airflow's REST API, logged in as one user."""

    def __init__(self, url: str, *, user: str, password: str) -> None:
        login = {"username": user, "password": password}
        answer = httpx.post(
            f"{url}/auth/token", json=login, timeout=REQUEST_SECONDS
        ).raise_for_status()
        self.login = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        self._http = httpx.Client(
            base_url=f"{url}/api/v2", headers=self.login, timeout=REQUEST_SECONDS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """Send a GET request and return the JSON."""
        response = self._http.get(path, params=params).raise_for_status()
        content: dict[str, Any] = response.json()
        return content

    def unpause(self, dag_id: str) -> None:
        """Unpause a DAG, after waiting until the DAG processor has parsed it."""
        deadline = time.monotonic() + DAG_PARSE_SECONDS
        while True:
            response = self._http.patch(f"/dags/{dag_id}", json={"is_paused": False})
            if response.is_success:
                return
            if response.status_code != httpx.codes.NOT_FOUND or time.monotonic() > deadline:
                raise ServiceError(f"DAG {dag_id} cannot be unpaused: {response.text}")
            time.sleep(0.5)

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a manual run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self._http.post(f"/dags/{dag_id}/dagRuns", json=body).raise_for_status()

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a DAG run."""
        return self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")

    def tasks(self, dag_id: str, run_id: str) -> list[Any]:
        """Return the task instances of a DAG run."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        instances: list[Any] = self.get(path, limit=300)["task_instances"]
        return instances

    def is_waiting(self, dag_id: str, run_id: str, task_id: str) -> bool:
        """Whether a task has waited for an answer for some seconds."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/hitlDetails"
        pending = self.get(path, response_received="false")["hitl_details"]
        times = [
            datetime.fromisoformat(each["created_at"])
            for each in pending
            if each["task_instance"]["task_id"] == task_id
        ]
        return bool(times) and datetime.now(UTC) - times[0] >= APPROVAL_DELAY

    def approve(self, dag_id: str, run_id: str, task_id: str) -> bool:
        """Approve if the task has waited for an answer for some seconds; return whether it did.

        An answer while the worker still pauses the task would make Airflow retry the task.
        """
        if not self.is_waiting(dag_id, run_id, task_id):
            return False
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        answer = {"chosen_options": ["Approve"], "params_input": {}}
        self._http.patch(
            f"{path}/taskInstances/{task_id}/-1/hitlDetails", json=answer
        ).raise_for_status()
        return True

    def put_connection(self, conn_id: str, fields: dict[str, Any]) -> None:
        """Create an Airflow connection, or change the one of this id."""
        body = {"connection_id": conn_id, **fields}
        answer = self._http.patch(f"/connections/{conn_id}", json=body)
        if answer.status_code == httpx.codes.NOT_FOUND:
            answer = self._http.post("/connections", json=body)
        answer.raise_for_status()

    def result(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:  # noqa: ANN401 - any JSON
        """Return the return value (XCom) of a task instance."""
        run = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        path = f"{run}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.get(path, map_index=map_index)["value"]
