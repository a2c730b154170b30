"""What every DAG of ours must have; the exact set of ids first, so that an empty bag fails."""

from typing import Any

import pytest

pytestmark = pytest.mark.airflow
IDS = {"audit_review_images"}


def test_exactly_these_dags_load(dags: dict[str, Any]) -> None:
    assert dags["import_errors"] == {}
    assert set(dags["dags"]) == IDS


def test_parsing_is_quick_and_does_not_import_torch(dags: dict[str, Any]) -> None:
    assert dags["torch"] == [False, False]
    # Two seconds a file is the promise; it is kept here by a wide margin or broken by an import.
    assert dags["seconds"] < 2 * len(IDS)


@pytest.mark.parametrize("dag_id", sorted(IDS))
def test_operators_find_what_they_need(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags["dags"][dag_id]
    assert dag["doc"]
    assert "moderation" in dag["tags"]
    assert dag["catchup"] is False
    assert dag["max_active_runs"] == 1


@pytest.mark.parametrize("dag_id", sorted(IDS))
def test_every_task_has_owner_retries_and_time_out(dags: dict[str, Any], dag_id: str) -> None:
    tasks = dags["dags"][dag_id]["tasks"]
    assert tasks
    for task in tasks.values():
        assert task["owner"] == "moderation"
        assert task["retries"] >= 2
        assert task["timeout"]
