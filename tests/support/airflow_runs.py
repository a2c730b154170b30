"""Waiting for runs of a real Airflow."""

import time
from collections.abc import Callable

from stack.airflow_client import Client

RUN_SECONDS = 400


def wait(
    client: Client, dag_id: str, run_id: str, *, meanwhile: Callable[[], object] = lambda: None
) -> str:
    """The state that a run ends in; `late` after RUN_SECONDS."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        state = str(client.run(dag_id, run_id)["state"])
        if state in ("success", "failed"):
            return state
        meanwhile()
        time.sleep(0.5)
    return "late"
