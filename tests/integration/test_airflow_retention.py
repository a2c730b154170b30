"""The clean-up in a real Airflow: by hand it only counts, told so it deletes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.embedded import services as embedded
from stack.airflow import Airflow
from stack.airflow_client import Client
from tests.support.aged import everything
from tests.support.airflow_runs import RUN_SECONDS, wait
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

DAG_ID = "purge_expired"
RESOLVED = (
    "insert into moderation.quarantine (object_key, etag, reason, run_id, quarantined_at, "
    "released_by) values ('k', 'e', 'unreachable', 'r', now() - interval '200 days', 'later')"
)


@pytest.fixture
def airflow(services: embedded.Services, own: Shop, tmp_path: Path) -> Iterator[Airflow]:
    extra = {
        "MODERATION_POLICY_FILE": str(own.settings.policy_file),
        "MODERATION_MODEL_BUCKET": own.settings.model_bucket,
        "MODERATION_RETRY_SECONDS": "1",
    }
    installed = Airflow(tmp_path / "airflow", services, own.settings, extra)
    installed.prepare()
    installed.start()
    yield installed
    installed.stop()


def _wait_for_the_last_week(client: Client) -> None:
    """Turned on, a DAG runs for its last interval at once; here it has nothing to delete."""
    deadline = time.monotonic() + RUN_SECONDS
    states: set[str] = set()
    while states != {"success"} and time.monotonic() < deadline:
        time.sleep(0.5)
        runs = client.get(f"/dags/{DAG_ID}/dagRuns", run_type="scheduled")["dag_runs"]
        states = {str(run["state"]) for run in runs}
    assert states == {"success"}


@pytest.mark.timeout(1200)
def test_a_run_by_hand_counts_and_one_that_is_told_so_deletes(airflow: Airflow, own: Shop) -> None:
    with airflow.client() as client:
        client.unpause(DAG_ID)
        _wait_for_the_last_week(client)
        own.execute(RESOLVED)
        before = everything(own)
        client.trigger(DAG_ID, "counts", {})
        assert wait(client, DAG_ID, "counts") == "success"
        counted = str(client.run(DAG_ID, "counts")["note"])
        assert everything(own) == before
        client.trigger(DAG_ID, "deletes", {"dry_run": False})
        assert wait(client, DAG_ID, "deletes") == "success"
        deleted = str(client.run(DAG_ID, "deletes")["note"])
    assert "**Dry run" in counted
    assert "**Deleted" in deleted
    assert "| quarantine 隔离 | 180 | 1 |" in counted
    assert "| quarantine 隔离 | 180 | 1 |" in deleted
    assert own.rows("select 1 from moderation.quarantine") == []
    kept = own.rows("select run_id, deleted from moderation.purge where deleted > 0")
    assert kept == [("deletes", 1)]
