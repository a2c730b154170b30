"""One worker slot: a rollback that waits leaves it to the nightly runs and the alerts."""

from pathlib import Path

import pytest

from tests.integration.airflow.rollbacks import ROLLBACK, Rollbacks, store_nights
from tests.support.airflow import InstallAirflow
from tests.support.airflow_runs import AUDIT, audit_variables, trigger_audit, wait_for_run
from tests.support.servers import Shop

pytestmark = [
    pytest.mark.integration,
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

WATCH = "evaluate_alerts"


def test_one_worker_slot_serves_rollback_audit_and_alerts(
    shop: Shop, install_airflow: InstallAirflow, tmp_path: Path
) -> None:
    store_nights(shop)
    extra = audit_variables(shop, shard_size=100) | {
        "AIRFLOW__CORE__PARALLELISM": "1",
        "MODERATION_ALERTS_SCHEDULE": "* * * * *",
    }
    with (
        install_airflow(tmp_path / "airflow", shop.settings, extra) as airflow,
        airflow.client() as client,
    ):
        rollbacks = Rollbacks(airflow, client)
        client.unpause(AUDIT)
        client.unpause(WATCH)
        rollbacks.begin()
        failing = rollbacks.started["three"]
        rollbacks.mark(failing, "failed")
        trigger_audit(client, "tonight", shop.window)
        assert wait_for_run(client, ROLLBACK, rollbacks.run_id) == "failed"
        assert wait_for_run(client, AUDIT, "tonight") == "success"
        ended = {n: client.run(AUDIT, run)["state"] for n, run in rollbacks.started.items()}
        assert ended == {"one": "success", "two": "success", "three": "failed"}
        watched = client.get(f"/dags/{WATCH}/dagRuns", limit=50)["dag_runs"]
        waited = client.run(ROLLBACK, rollbacks.run_id)
        assert [
            run
            for run in watched
            if run["state"] == "success"
            and waited["start_date"] < run["start_date"]
            and run["end_date"] < waited["end_date"]
        ]
