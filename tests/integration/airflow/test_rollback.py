"""A rollback that repeats nightly runs: it reports what failed, and holds no slot meanwhile."""

import time
from collections.abc import Iterator

import pytest

from tests.integration.airflow.conftest import RunningAirflow
from tests.integration.airflow.rollbacks import ROLLBACK, Rollbacks, store_nights, until
from tests.support.airflow_runs import AUDIT, wait_for_run

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def rollback(empty_airflow: RunningAirflow) -> Iterator[Rollbacks]:
    """A rollback that waits for its runs. They do not run: their DAG is paused."""
    store_nights(empty_airflow.shop)
    with empty_airflow.airflow.client() as client:
        rollbacks = Rollbacks(empty_airflow.airflow, client)
        client.unpause(AUDIT)
        rollbacks.change("PATCH", f"/dags/{AUDIT}", is_paused=True)
        rollbacks.begin()
        yield rollbacks
        client.unpause(AUDIT)


def test_run_ids_contain_that_of_the_rollback(rollback: Rollbacks) -> None:
    assert all(f"__{rollback.run_id}__" in started for started in rollback.started.values())
    states = {rollback.client.run(AUDIT, run)["state"] for run in rollback.started.values()}
    assert states == {"queued"}


def test_failed_run_fails_the_rollback_when_all_have_ended(rollback: Rollbacks) -> None:
    started = rollback.started
    rollback.mark(started["one"], "success")
    rollback.mark(started["two"], "failed")
    time.sleep(8)  # at least one look
    assert rollback.states["wait_for_runs"] not in {"success", "failed"}
    rollback.mark(started["three"], "success")
    assert wait_for_run(rollback.client, ROLLBACK, rollback.run_id) == "failed"
    assert rollback.states["wait_for_runs"] == "failed"


def test_cleared_wait_ends_when_the_failed_run_has_succeeded(rollback: Rollbacks) -> None:
    rollback.mark(rollback.started["two"], "success")
    body = {"dag_run_id": rollback.run_id, "task_ids": ["wait_for_runs"], "dry_run": False}
    rollback.change("POST", f"/dags/{ROLLBACK}/clearTaskInstances", **body)
    assert until(lambda: rollback.states["wait_for_runs"] == "success")
    assert wait_for_run(rollback.client, ROLLBACK, rollback.run_id) == "success"
