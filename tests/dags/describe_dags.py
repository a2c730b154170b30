"""Run by conftest in a process of its own: writes what a DagBag holds as JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.utils.db import initdb


def describe(dag: DAG) -> dict[str, Any]:
    """The parts of a DAG that the tests look at."""
    return {
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "doc": bool(dag.doc_md),
        "timetable": f"{dag.timetable.expression} {dag.timetable.timezone}",
        "params": sorted(dag.params),
        "tasks": {
            t.task_id: {
                "owner": t.owner,
                "retries": t.retries,
                "timeout": t.execution_timeout.total_seconds() if t.execution_timeout else None,
                "downstream": sorted(t.downstream_task_ids),
                "pool": t.pool,
                "queue": t.queue,
                "mapped": t.is_mapped,
                "trigger_rule": str(getattr(t.trigger_rule, "value", t.trigger_rule)),
            }
            for t in dag.tasks
        },
    }


initdb()
torch_before = "torch" in sys.modules
start = time.monotonic()
bag = DagBag()
found = {
    "seconds": time.monotonic() - start,
    "torch": [torch_before, "torch" in sys.modules],
    "import_errors": bag.import_errors,
    "dags": {dag_id: describe(dag) for dag_id, dag in bag.dags.items()},
}
Path(sys.argv[1]).write_text(json.dumps(found))
