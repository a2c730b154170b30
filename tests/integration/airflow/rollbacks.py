"""A rollback in a running Airflow, for the tests of this folder."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx

from devtools.local_stack.airflow import Airflow
from devtools.local_stack.airflow_client import AirflowClient
from ml.core.window import Window
from ml.policy.schema import load_policy
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from tests.support.airflow_runs import AUDIT
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop

ROLLBACK = "rollback_model"
NIGHTS = ("one", "two", "three")
WAIT_SECONDS = 300


@dataclass(frozen=True)
class Rollbacks:
    """A rollback in a running Airflow, driven by its REST API."""

    airflow: Airflow
    client: AirflowClient
    run_id: str = "roll-back"

    def change(self, method: str, path: str, **body: object) -> None:
        """Send a request that changes something."""
        httpx.request(
            method, f"{self.airflow.url}/api/v2{path}", json=body, headers=self.client.login
        ).raise_for_status()

    def begin(self) -> None:
        """Trigger it, and wait until it has started the runs and looks at them."""
        self.client.unpause(ROLLBACK)
        given = {"version": "previous", "reason": "test", "run_ids": list(NIGHTS)}
        self.client.trigger(ROLLBACK, self.run_id, given)
        assert until(lambda: self.states.get("wait_for_runs") == "up_for_reschedule")

    @property
    def states(self) -> dict[str, Any]:
        """The state of each task; of a mapped one, that of an instance."""
        return {task["task_id"]: task["state"] for task in self.client.tasks(ROLLBACK, self.run_id)}

    @property
    def started(self) -> dict[str, str]:
        """The run that repeats each of NIGHTS."""
        runs = self.client.result(ROLLBACK, self.run_id, "runs_to_rejudge")
        return dict(zip(NIGHTS, (run["trigger_run_id"] for run in runs), strict=True))

    def mark(self, run_id: str, state: str) -> None:
        """Set the state of a repeated run."""
        path = f"/dags/{AUDIT}/dagRuns/{quote(run_id, safe='')}"
        self.change("PATCH", path, state=state)


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.3)
    return holds()


def store_nights(shop: Shop) -> None:
    """Store NIGHTS as begun, one photo a night, and a champion to go back from."""
    with shop.connections.engine.begin() as connection:
        for number, run_id in enumerate(NIGHTS):
            shop.upload(f"{run_id}.jpg", photo(BRIGHT, seed=number))
            day = timedelta(days=number)
            window = Window(shop.window.start - day, shop.window.end - day)
            policy = load_policy(shop.settings.policy_file)
            audit_runs.begin(connection, AuditRun(run_id, window, shop.model_hash, policy, "cpu"))
    for _ in range(2):  # "previous" goes back to the former
        shop.execute(
            "insert into moderation.promotion (model_hash, promoted_by, reason) "
            "values (:m, 'test', 'test')",
            m=shop.model_hash,
        )
