"""Trigger a run in the real Airflow and wait for its end, with progress."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ml.errors import ServiceError
from stack.airflow_client import Client
from stack.machine import Machine

POLL_SECONDS = 0.5
_FAILED = ("failed", "upstream_failed")
_DONE = ("success", "skipped", *_FAILED)


def follow(
    client: Client,
    machine: Machine,
    dag_id: str,
    run_id: str,
    conf: dict[str, Any],
    *,
    total: int,
    settled: Callable[[], int],
    console: Console,
    seconds: float = 600.0,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Start a run and show `settled` of `total` until it ends; calls `meanwhile` at each look.

    Raises:
        ServiceError: the run failed, or did not end in `seconds`.
    """
    client.unpause(dag_id)
    client.trigger(dag_id, run_id, conf)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task(f"{dag_id} {run_id}", total=total)
        deadline = time.monotonic() + seconds
        while (state := client.run(dag_id, run_id)["state"]) not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise ServiceError(f"{dag_id} {run_id} did not end in {seconds:.0f} s")
            meanwhile()
            progress.update(bar, completed=settled())
            time.sleep(POLL_SECONDS)
        progress.update(bar, completed=settled())
    if state == "failed":
        red = [t["task_id"] for t in client.tasks(dag_id, run_id) if t["state"] in _FAILED]
        logs = machine.settings.data_dir / "airflow" / "logs"
        raise ServiceError(f"{dag_id} {run_id} failed in {', '.join(red)}; see {logs}")


def finished_tasks(client: Client, dag_id: str, run_id: str) -> int:
    """Tasks of a run that have ended, however."""
    return sum(t["state"] in _DONE for t in client.tasks(dag_id, run_id))
