"""The steps as Airflow calls them: settings from the environment."""

import pytest
import yaml

from ml.operations.alerting import steps
from tests.support.policies import write_policy
from tests.support.servers import Shop
from tests.support.webhook_receiver import SECRET, Receiver

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]

DETAILS = {
    "dag_id": "audit_review_images", "run_id": "r", "task_id": "judge", "error": "ShardIncomplete",
}  # fmt: skip
DEDUP_KEY = "audit_review_images/r"


@pytest.fixture(autouse=True)
def environment(shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        name: getattr(shop.settings, name).get_secret_value()
        for name in ("database_url", "s3_access_key", "s3_secret_key")
    }
    given |= {
        "s3_endpoint_url": str(shop.settings.s3_endpoint_url),
        "policy_file": str(shop.settings.policy_file),
        "alert_webhook_url": receiver.url,
        "alert_webhook_secret": SECRET,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"MODERATION_{name.upper()}", value)


def test_failed_run_is_delivered_once_for_many_failed_tasks(receiver: Receiver) -> None:
    for _ in range(3):
        steps.run_failed(DEDUP_KEY, **DETAILS)
    assert receiver.keys == [f"alert.open run_failed:{DEDUP_KEY}"]
    assert steps.failed_runs() == [DEDUP_KEY]


def test_evaluation_resolves_alert_of_run_that_succeeded(receiver: Receiver) -> None:
    steps.run_failed(DEDUP_KEY, **DETAILS)
    found = steps.evaluate_rules([DEDUP_KEY])
    assert f"run_failed:{DEDUP_KEY}" not in found["open"]
    assert f"alert.resolved run_failed:{DEDUP_KEY}" in receiver.keys
    assert steps.failed_runs() == []


def test_alert_is_sent_without_database(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_URL", "postgresql+psycopg://u:p@127.0.0.1:1/none")
    steps.run_failed(DEDUP_KEY, **DETAILS)
    assert receiver.keys == [f"alert.open run_failed:{DEDUP_KEY}"]
    assert receiver.requests[0].signed


def test_alert_is_sent_without_migrated_schema(shop: Shop, receiver: Receiver) -> None:
    shop.execute("drop table moderation.alert")
    steps.run_failed(DEDUP_KEY, **DETAILS)
    assert receiver.keys == [f"alert.open run_failed:{DEDUP_KEY}"]


def test_muted_kind_is_not_delivered(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = yaml.safe_load(shop.settings.policy_file.read_text("utf-8"))
    folder = shop.settings.policy_file.parent / "silent"
    silent = write_policy(folder, raw, alerts={"muted": ["run_failed"]})
    monkeypatch.setenv("MODERATION_POLICY_FILE", str(silent))
    steps.run_failed(DEDUP_KEY, **DETAILS)
    assert (receiver.requests, steps.failed_runs()) == ([], [])
