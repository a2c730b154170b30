"""Alerts from a real Airflow to an HTTP receiver; logs and XCom must not contain secrets."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import make_url

from devtools.embedded import services as embedded
from devtools.local_stack.airflow import Airflow
from devtools.local_stack.airflow_client import AirflowClient
from ml.core.settings import Settings
from tests.support.airflow_runs import wait_for_run
from tests.support.photos import BRIGHT, photo
from tests.support.policies import write_policy
from tests.support.servers import Shop
from tests.support.webhook_receiver import SECRET, TOKEN, Receiver

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.slow]

AUDIT, WATCH = "audit_review_images", "evaluate_alerts"
ROLE, PASSWORD = "night_of_alerts", "a-password-that-no-log-may-hold"
CALLBACK_SECONDS = 600


@pytest.fixture
def admin(services: embedded.Services) -> Iterator[psycopg.Connection]:
    """A superuser connection, and the role of the runs, whose login a test can forbid."""
    url = make_url(services.airflow_database_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f"create role {ROLE} login superuser password '{PASSWORD}'")
        yield connection
        connection.execute(f"drop owned by {ROLE}")
        connection.execute(f"drop role {ROLE}")


@pytest.fixture
def night_settings(shop: Shop, admin: psycopg.Connection) -> Settings:
    """The shop's settings with the role created by `admin`."""
    assert not admin.closed
    url = make_url(shop.settings.database_url.get_secret_value())  # type: ignore[union-attr]
    url = url.set(username=ROLE, password=PASSWORD)
    own = SecretStr(url.render_as_string(hide_password=False))
    return shop.settings.model_copy(update={"database_url": own})


@pytest.fixture
def airflow(
    services: embedded.Services,
    night_settings: Settings,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Airflow]:
    # Long time-outs: the test checks the notifications, not their latency on a busy machine.
    monkeypatch.setattr("devtools.local_stack.airflow.START_SECONDS", 600.0)
    monkeypatch.setattr("devtools.local_stack.airflow_client.REQUEST_SECONDS", 120.0)
    settings = night_settings
    raw = yaml.safe_load(settings.policy_file.read_text("utf-8"))
    # The deadline is five seconds: it passes while the first run is running or has failed.
    policy = write_policy(tmp_path / "alerts", raw, alerts={"nightly_run_deadline": "02:00:05"})
    extra = {
        "MODERATION_POLICY_FILE": str(policy),
        "MODERATION_PHOTO_PREFIX": settings.photo_prefix,
        "MODERATION_RETRY_SECONDS": "1",
        # Scheduled for the end of the year: only the test starts runs.
        "MODERATION_SCHEDULE": "0 2 1 1 *",
        "MODERATION_ALERTS_SCHEDULE": "0 1 31 12 *",
        "MODERATION_ALERT_WEBHOOK_URL": receiver.url,
        "MODERATION_ALERT_WEBHOOK_SECRET": SECRET,
        "OMP_NUM_THREADS": "1",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",  # 5 s end a task on a busy machine
    }
    installed = Airflow(tmp_path / "airflow", services, settings, extra)
    installed.prepare()
    installed.start()
    yield installed
    installed.stop()


def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + CALLBACK_SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.5)
    return holds()


def _clear(airflow: Airflow, client: AirflowClient, run_id: str) -> None:
    path = f"{airflow.url}/api/v2/dags/{AUDIT}/dagRuns/{quote(run_id, safe='')}/clear"
    httpx.post(path, json={"dry_run": False}, headers=client.login).raise_for_status()


def _xcoms(client: AirflowClient, run_id: str) -> str:
    """Return all XCom values of a run, as the API shows them."""
    found: list[Any] = []
    for dag_id in (AUDIT, WATCH):
        entries = client.get(f"/dags/{dag_id}/dagRuns/~/taskInstances/~/xcomEntries", limit=100)
        for entry in entries["xcom_entries"]:
            path = (
                f"/dags/{dag_id}/dagRuns/{quote(entry['run_id'], safe='')}/taskInstances/"
                f"{entry['task_id']}/xcomEntries/{entry['key']}"
            )
            found.append(client.get(path, map_index=entry["map_index"])["value"])
    assert run_id
    return json.dumps(found)


def _logs(home: Path) -> dict[Path, str]:
    return {path: path.read_text("utf-8", "replace") for path in home.rglob("*.log")} | {
        path: path.read_text("utf-8", "replace")
        for path in (home / "logs" / "executor_callbacks").rglob("*")
        if path.is_file()
    }


@pytest.mark.timeout(3000)
def test_alerts_are_raised_and_resolved_without_secrets_in_logs(
    airflow: Airflow, shop: Shop, admin: psycopg.Connection, receiver: Receiver
) -> None:
    shop.upload("a.jpg", photo(BRIGHT, seed=1))
    window = {
        "window_start": shop.window.start.isoformat(),
        "window_end": shop.window.end.isoformat(),
    }
    with airflow.client() as client:
        # The database rejects logins: the run fails, is notified, and misses its deadline.
        admin.execute(f"alter role {ROLE} password 'changed-without-a-word'")
        client.unpause(AUDIT)
        client.trigger(AUDIT, "locked-out", window)
        assert wait_for_run(client, AUDIT, "locked-out") == "failed"
        failed = f"alert.open run_failed:{AUDIT}/locked-out"
        assert _until(lambda: failed in receiver.keys)
        admin.execute(f"alter role {ROLE} password '{PASSWORD}'")

        # A run that cannot succeed: its deadline alert comes before any evaluation of the rules.
        client.trigger(AUDIT, "half-a-window", {"window_start": window["window_start"]})
        assert wait_for_run(client, AUDIT, "half-a-window") == "failed"
        assert _until(lambda: "alert.open run_late:no run yet" in receiver.keys)
        other = f"alert.open run_failed:{AUDIT}/half-a-window"
        assert _until(lambda: other in receiver.keys)

        # The next run succeeds; the evaluation notifies that the alert is resolved.
        _clear(airflow, client, "locked-out")
        assert _until(lambda: client.run(AUDIT, "locked-out")["state"] != "failed")
        assert wait_for_run(client, AUDIT, "locked-out") == "success"
        client.unpause(WATCH)
        client.trigger(WATCH, "look", {})
        assert wait_for_run(client, WATCH, "look") == "success"
        assert _until(lambda: "alert.resolved run_late:no run yet" in receiver.keys)
        xcoms = _xcoms(client, "look")
    assert all(request.signed for request in receiver.requests)
    assert receiver.keys.count(other) == 1
    assert f"alert.resolved run_failed:{AUDIT}/half-a-window" not in receiver.keys
    told = next(
        r.content["data"] for r in receiver.requests if failed.endswith(r.content["data"]["key"])
    )
    assert told["details"]["task_id"] == "preflight"
    assert told["details"]["error"].startswith("StorageForbidden: the database refuses")
    assert "reconciled" not in told["text"]["en"]
    assert '"open"' in xcoms

    logs = _logs(airflow.passwords_file.parent)
    assert any('"run_id":"locked-out"' in text.replace(" ", "") for text in logs.values())
    secrets = {
        PASSWORD, SECRET, TOKEN,
        shop.settings.s3_access_key.get_secret_value(),  # type: ignore[union-attr]
        shop.settings.s3_secret_key.get_secret_value(),  # type: ignore[union-attr]
    }  # fmt: skip
    for secret in secrets:
        assert [str(path) for path, text in logs.items() if secret in text] == []
        assert secret not in xcoms
        assert all(secret not in request.body.decode() for request in receiver.requests)
