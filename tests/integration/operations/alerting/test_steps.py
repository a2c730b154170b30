"""The watch and the failed run as Airflow calls them: settings from the environment."""

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
FACT = "audit_review_images/r"


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


def test_a_failed_run_is_told_once_however_many_of_its_tasks_failed(receiver: Receiver) -> None:
    for _ in range(3):
        steps.run_failed(FACT, **DETAILS)
    assert receiver.keys == [f"alert.open run_failed:{FACT}"]
    assert steps.failed_runs() == [FACT]


def test_rule_evaluation_reports_the_end(receiver: Receiver) -> None:
    steps.run_failed(FACT, **DETAILS)
    found = steps.evaluate_rules([FACT])
    assert f"run_failed:{FACT}" not in found["open"]
    assert f"alert.resolved run_failed:{FACT}" in receiver.keys
    assert steps.failed_runs() == []


def test_a_database_that_is_away_does_not_keep_it_from_being_told(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_URL", "postgresql+psycopg://u:p@127.0.0.1:1/none")
    steps.run_failed(FACT, **DETAILS)
    assert receiver.keys == [f"alert.open run_failed:{FACT}"]
    assert receiver.requests[0].signed


def test_a_schema_that_was_not_brought_up_to_date_does_not_either(
    shop: Shop, receiver: Receiver
) -> None:
    shop.execute("drop table moderation.alert")
    steps.run_failed(FACT, **DETAILS)
    assert receiver.keys == [f"alert.open run_failed:{FACT}"]


def test_a_silent_kind_is_not_told(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = yaml.safe_load(shop.settings.policy_file.read_text("utf-8"))
    folder = shop.settings.policy_file.parent / "silent"
    silent = write_policy(folder, raw, alerts={"muted": ["run_failed"]})
    monkeypatch.setenv("MODERATION_POLICY_FILE", str(silent))
    steps.run_failed(FACT, **DETAILS)
    assert (receiver.requests, steps.failed_runs()) == ([], [])
