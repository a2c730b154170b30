"""Airflow's CeleryExecutor on one machine: its settings, and workers that can be killed."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from celery import Celery

from ml.embedded.process import wait_for
from ml.errors import ServiceError
from stack import processes
from stack.airflow import Airflow, airflow_command

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
START_SECONDS = 120.0
PING_SECONDS = 2.0


def celery_variables(broker_url: str) -> dict[str, str]:
    """Environment of every process of an installation whose tasks go to Celery workers.

    The results of Celery's tasks go where Airflow's own metadata is, its default.
    """
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": broker_url,
        # A message that no worker has acknowledged for so long is delivered once more. Longer than
        # any task may take: a lost worker is noticed by its tasks' heartbeats, not by this.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
        # A worker holds the tasks that it runs and no others: nothing else is lost with it.
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        "AIRFLOW__CELERY__TASK_ACKS_LATE": "True",
    }


@dataclass(frozen=True)
class Worker:
    """A worker of one queue, which runs `concurrency` tasks at once; `name` is its own."""

    name: str
    queue: str
    concurrency: int = 1


class Workers:
    """The Celery workers of one installation.

    Args:
        airflow: made with `celery_variables` of the same broker.
        broker_url: where the queues are.
    """

    def __init__(self, airflow: Airflow, broker_url: str) -> None:
        self._airflow = airflow
        self._broker_url = broker_url

    def start(self, workers: Collection[Worker]) -> None:
        """Start workers; returns when they answer.

        Raises:
            ServiceError: one did not answer in time.
        """
        for worker in workers:
            command = airflow_command("celery", "worker", *_options(worker))
            processes.start(self._airflow.home, worker.name, command, self._airflow.environment())
        for worker in workers:
            if not wait_for(partial(self.answers, worker), seconds=START_SECONDS):
                log = self._airflow.home / "processes" / f"{worker.name}.log"
                raise ServiceError(f"the worker {worker.name} did not answer; see {log}")

    def answers(self, worker: Worker) -> bool:
        """Ask a worker, by way of the broker, whether it is there."""
        with Celery(broker=self._broker_url) as app:
            asked = [f"celery@{worker.name}"]
            return bool(app.control.ping(destination=asked, timeout=PING_SECONDS))

    def kill(self, worker: Worker) -> None:
        """End a worker and its tasks with SIGKILL, as when a machine loses its power."""
        processes.kill(self._airflow.home, worker.name)


def _options(worker: Worker) -> list[str]:
    return [
        f"--queues={worker.queue}",
        f"--concurrency={worker.concurrency}",
        f"--celery-hostname={worker.name}",
        # The API server reads task logs from the same disk: no log server on a port.
        "--skip-serve-logs",
    ]
