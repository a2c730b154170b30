"""Trigger a DAG run and show its progress until it ends."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from devtools.local_stack.airflow_client import AirflowClient
from devtools.local_stack.local_stack import LocalStack
from ml.core.errors import ServiceError

POLL_SECONDS = 0.5
_FAILED_STATES = ("failed", "upstream_failed")
_FINISHED_STATES = ("success", "skipped", *_FAILED_STATES)


def watch_run(
    client: AirflowClient,
    stack: LocalStack,
    dag_id: str,
    run_id: str,
    conf: dict[str, Any],
    *,
    total: int,
    count_done: Callable[[], int],
    console: Console,
    timeout_seconds: float = 600.0,
    on_poll: Callable[[], None] = lambda: None,
) -> None:
    """Trigger a DAG run and show `count_done()` of `total` until it ends.

    Args:
        client: of the Airflow that runs the DAG.
        stack: the local stack, for the path of the logs.
        dag_id: of the DAG; it is unpaused.
        run_id: of the new run.
        conf: parameters of the run.
        total: units of work of the whole run.
        count_done: returns the units done so far.
        console: for the progress bar.
        timeout_seconds: without progress, after which the run counts as failed.
        on_poll: called at each poll.

    Raises:
        ServiceError: the run failed, or made no progress for `timeout_seconds`.
    """
    client.unpause(dag_id)
    client.trigger(dag_id, run_id, conf)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task(f"{dag_id} {run_id}", total=total)
        done, deadline = 0, time.monotonic() + timeout_seconds
        while (state := client.run(dag_id, run_id)["state"]) not in ("success", "failed"):
            on_poll()
            if (counted := count_done()) != done:
                done, deadline = counted, time.monotonic() + timeout_seconds
            if time.monotonic() > deadline:
                stopped = f"{dag_id} {run_id} made no progress for {timeout_seconds:.0f} s"
                raise ServiceError(f"{stopped}, at {done:,} of {total:,}")
            progress.update(bar, completed=done)
            time.sleep(POLL_SECONDS)
        progress.update(bar, completed=count_done())
    if state == "failed":
        tasks = client.tasks(dag_id, run_id)
        failed = ", ".join(t["task_id"] for t in tasks if t["state"] in _FAILED_STATES)
        logs = stack.settings.data_dir / "airflow" / "logs"
        raise ServiceError(f"{dag_id} {run_id} failed in {failed}; see {logs}")


def count_finished_tasks(client: AirflowClient, dag_id: str, run_id: str) -> int:
    """Count the tasks of a run that have ended, successfully or not."""
    return sum(t["state"] in _FINISHED_STATES for t in client.tasks(dag_id, run_id))
