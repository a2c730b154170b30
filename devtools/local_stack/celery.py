"""Airflow's CeleryExecutor on one machine: its settings, and its workers."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from celery import Celery

from devtools.embedded.process import wait_for
from devtools.local_stack import processes
from devtools.local_stack.airflow import Airflow, airflow_command
from ml.core.errors import ServiceError

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
START_SECONDS = 120.0
PING_SECONDS = 2.0


def celery_variables(broker_url: str) -> dict[str, str]:
    """Return the environment variables of an Airflow whose tasks run in Celery workers.

    Celery's result backend is Airflow's default, its metadata database.
    """
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": broker_url,
        # Seconds until an unacknowledged message is delivered again. It is longer than any task
        # may take: Airflow detects a lost worker by the heartbeats of its tasks.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
        # A worker reserves no tasks beyond those that it runs, so that none is lost with it.
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        "AIRFLOW__CELERY__TASK_ACKS_LATE": "True",
    }


@dataclass(frozen=True)
class Worker:
    """A worker of one queue that runs `concurrency` tasks at once; `name` is unique."""

    name: str
    queue: str
    concurrency: int = 1


class Workers:
    """The Celery workers of one installation.

    Args:
        airflow: created with `celery_variables` of the same broker.
        broker_url: URL of the broker.
    """

    def __init__(self, airflow: Airflow, broker_url: str) -> None:
        self._airflow = airflow
        self._broker_url = broker_url

    def start(self, workers: Collection[Worker]) -> None:
        """Start workers and wait until they answer.

        Raises:
            ServiceError: a worker did not answer in time.
        """
        for worker in workers:
            command = airflow_command("celery", "worker", *_worker_options(worker))
            processes.start(self._airflow.home, worker.name, command, self._airflow.environment())
        for worker in workers:
            if not wait_for(partial(self.answers, worker), seconds=START_SECONDS):
                log = self._airflow.home / "processes" / f"{worker.name}.log"
                raise ServiceError(f"the worker {worker.name} did not answer; see {log}")

    def answers(self, worker: Worker) -> bool:
        """Return whether a worker answers a ping through the broker."""
        with Celery(broker=self._broker_url) as app:
            names = [f"celery@{worker.name}"]
            return bool(app.control.ping(destination=names, timeout=PING_SECONDS))

    def kill(self, worker: Worker) -> None:
        """Kill a worker and its tasks (SIGKILL), as a power failure would."""
        processes.kill(self._airflow.home, worker.name)


def _worker_options(worker: Worker) -> list[str]:
    return [
        f"--queues={worker.queue}",
        f"--concurrency={worker.concurrency}",
        f"--celery-hostname={worker.name}",
        # The API server reads task logs from the same disk; no log server is needed.
        "--skip-serve-logs",
    ]
