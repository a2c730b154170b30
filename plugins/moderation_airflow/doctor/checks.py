"""Airflow's checks, in the order in which one rests on the other."""

from ml.doctor.examine import Check
from moderation_airflow.doctor.airflow_api import airflow, pool
from moderation_airflow.doctor.celery_queues import broker, result_backend, workers
from moderation_airflow.doctor.dag_files import dag_files


def airflow_checks() -> list[Check]:
    """What Airflow itself must have."""
    return [
        Check("DAG files", dag_files),
        Check("Airflow", airflow),
        Check("pool", pool, needs=("Airflow",)),
        Check("broker", broker),
        Check("result backend", result_backend, needs=("broker",)),
        Check("workers", workers, needs=("broker",)),
    ]
