"""Purge in a real Airflow: a manual run is a dry run unless `dry_run` is off."""

import time
from dataclasses import dataclass

import pytest

from devtools.local_stack.airflow_client import AirflowClient
from tests.integration.airflow.conftest import RunningAirflow
from tests.support.airflow_runs import RUN_SECONDS, wait_for_run
from tests.support.backdated_rows import dump_database
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.timeout(2400)]

DAG_ID = "purge_expired"
RESOLVED = (
    "insert into moderation.quarantine (object_key, etag, reason, run_id, quarantined_at, "
    "released_by) values ('k', 'e', 'unreachable', 'r', now() - interval '200 days', 'later')"
)
COUNTED = "| quarantine 隔离记录 | 180 | 1 |"


@dataclass(frozen=True)
class Runs:
    """Notes of a dry run and of a deleting run."""

    counted: str
    unchanged: bool  # by the dry run
    deleted: str


@pytest.fixture(scope="module")
def shop(empty_airflow: RunningAirflow) -> Shop:
    return empty_airflow.shop


@pytest.fixture(scope="module")
def runs(empty_airflow: RunningAirflow, shop: Shop) -> Runs:
    with empty_airflow.airflow.client() as client:
        client.unpause(DAG_ID)
        _wait_for_the_last_week(client)
        shop.execute(RESOLVED)
        before = dump_database(shop)
        counted = _note(client, "counts", {})
        unchanged = dump_database(shop) == before
        return Runs(counted, unchanged, _note(client, "deletes", {"dry_run": False}))


def _wait_for_the_last_week(client: AirflowClient) -> None:
    """Unpause the DAG: it runs for its last interval, with nothing to delete."""
    deadline = time.monotonic() + RUN_SECONDS
    states: set[str] = set()
    while states != {"success"} and time.monotonic() < deadline:
        time.sleep(0.5)
        runs = client.get(f"/dags/{DAG_ID}/dagRuns", run_type="scheduled")["dag_runs"]
        states = {str(run["state"]) for run in runs}
    assert states == {"success"}


def _note(client: AirflowClient, run_id: str, conf: dict[str, object]) -> str:
    client.trigger(DAG_ID, run_id, conf)
    assert wait_for_run(client, DAG_ID, run_id) == "success"
    return str(client.run(DAG_ID, run_id)["note"])


def test_manual_purge_run_is_a_dry_run_by_default(runs: Runs) -> None:
    assert "**Dry run" in runs.counted
    assert COUNTED in runs.counted
    assert runs.unchanged


def test_manual_purge_run_deletes_with_dry_run_off(runs: Runs, shop: Shop) -> None:
    assert "**Deleted" in runs.deleted
    assert COUNTED in runs.deleted
    assert shop.rows("select 1 from moderation.quarantine") == []
    kept = shop.rows("select run_id, deleted from moderation.purge where deleted > 0")
    assert kept == [("deletes", 1)]
