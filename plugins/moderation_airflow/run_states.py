"""What Airflow says of runs that failed: which of them are over."""

from collections.abc import Iterable
from typing import Any


def runs_over(ti: Any, facts: Iterable[str], *, own_dag: str) -> list[str]:  # noqa: ANN401 - Airflow's RuntimeTaskInstance
    """Of facts `dag_id/run_id`, those whose run has succeeded since, or is no more.

    A fact without a run is a whole DAG's. That of `own_dag`, which asks, is over: it runs.

    Args:
        ti: the task instance that asks; it may count runs of any DAG.
        facts: of open alerts.
        own_dag: the DAG of `ti`.
    """
    return [fact for fact in facts if fact == own_dag or _is_over(ti, fact)]


def _is_over(ti: Any, fact: str) -> bool:  # noqa: ANN401 - as above
    dag_id, _, run_id = fact.partition("/")
    if not run_id:
        return False
    there = ti.get_dr_count(dag_id=dag_id, run_ids=[run_id])
    return not there or bool(ti.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=["success"]))
