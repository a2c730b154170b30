"""Print `dags/` as parsed by Airflow, as JSON; conftest runs this in a separate process."""

import json
import sys

import pendulum
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.definitions._internal.abstractoperator import AbstractOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.serialization.serialized_objects import DagSerialization


def names_of(callbacks: object) -> list[str]:
    given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    return [type(callback).__name__ for callback in given]


def describe_task(task: AbstractOperator) -> dict[str, object]:
    limit = task.execution_timeout
    described = task.partial_kwargs if isinstance(task, MappedOperator) else vars(task)
    return {
        "downstream": sorted(task.downstream_task_ids),
        "inlets": sorted(asset.name for asset in described.get("inlets") or []),
        "mapped": task.is_mapped,
        "outlets": sorted(asset.name for asset in described.get("outlets") or []),
        "owner": task.owner,
        "pool": task.pool,
        "queue": task.queue,
        "retries": task.retries,
        "reschedules": getattr(task, "reschedule", False),
        "waits": described.get("wait_for_completion", False),
        "trigger_rule": str(task.trigger_rule.value),
        "timeout_seconds": limit and limit.total_seconds(),
        "on_failure": names_of(task.on_failure_callback),
    }


def describe(dag: DAG, run_after: pendulum.DateTime) -> dict[str, object]:
    # Only a deserialized DAG, as the scheduler uses it, has a working timetable.
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    night = timetable.infer_manual_data_interval(run_after=run_after)
    return {
        "tags": sorted(dag.tags),
        "doc_md": dag.doc_md,
        "catchup": dag.catchup,
        "deadlines": [
            [getattr(alert, "name", None), alert.callback.path, alert.interval.total_seconds()]
            for alert in dag.deadline or []
        ],
        "on_failure": names_of(dag.on_failure_callback),
        "max_active_runs": dag.max_active_runs,
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "timetable": type(dag.timetable).__name__,
        "interval": [night.start.isoformat(), night.end.isoformat()],
        "tasks": {task.task_id: describe_task(task) for task in dag.tasks},
    }


def main(folder: str, run_after: str) -> None:
    bag = DagBag(folder)
    at = pendulum.DateTime.fromisoformat(run_after)
    dags = {name: describe(dag, at) for name, dag in bag.dags.items()}
    print(json.dumps({"errors": bag.import_errors, "dags": dags}))  # noqa: T201 - conftest reads it


main(*sys.argv[1:])
