"""Airflow's REST API, as the demo and the tests use it."""

import time
from typing import Any, Self
from urllib.parse import quote

import httpx

from ml.errors import ServiceError

DAG_SECONDS = 120.0  # a new DAG file is read within seconds; a busy machine takes its time
REQUEST_SECONDS = 30.0


class Client:
    """Airflow's REST API, logged in as one user."""

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
        """GET and return the JSON."""
        answer = self._http.get(path, params=params).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def unpause(self, dag_id: str) -> None:
        """Unpause a DAG, waiting until the DAG processor has read it."""
        deadline = time.monotonic() + DAG_SECONDS
        while True:
            answer = self._http.patch(f"/dags/{dag_id}", json={"is_paused": False})
            if answer.is_success:
                return
            if answer.status_code != httpx.codes.NOT_FOUND or time.monotonic() > deadline:
                raise ServiceError(f"DAG {dag_id} cannot be unpaused: {answer.text}")
            time.sleep(0.5)

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a manual run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self._http.post(f"/dags/{dag_id}/dagRuns", json=body).raise_for_status()

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """A run as the API shows it."""
        return self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")

    def tasks(self, dag_id: str, run_id: str) -> list[Any]:
        """The task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        found: list[Any] = self.get(path, limit=300)["task_instances"]
        return found

    def approve(self, dag_id: str, run_id: str, task_id: str) -> bool:
        """Answer an approval with yes if it is being asked; whether it was."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        asked = self.get(f"{path}/hitlDetails", response_received="false")["hitl_details"]
        if not any(each["task_instance"]["task_id"] == task_id for each in asked):
            return False
        answer = {"chosen_options": ["Approve"], "params_input": {}}
        self._http.patch(
            f"{path}/taskInstances/{task_id}/-1/hitlDetails", json=answer
        ).raise_for_status()
        return True

    def result(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:  # noqa: ANN401 - whatever a task returned
        """What a task instance returned."""
        run = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        path = f"{run}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.get(path, map_index=map_index)["value"]
