"""A policy file that cannot be used: alerts follow the last valid policy, and report the file."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from ml.core.settings import Settings
from ml.operations.alerting import steps
from ml.operations.alerting.steps import update_alerts
from ml.policy.schema import load_policy
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from tests.support.policies import write_policy
from tests.support.servers import Shop
from tests.support.webhook_receiver import SECRET, Receiver

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]

OPEN, RESOLVED = "alert.open policy_invalid:file", "alert.resolved policy_invalid:file"
FAILED = "audit_review_images/r"
DETAILS = {"dag_id": "audit_review_images", "run_id": "r", "task_id": "t", "error": "PolicyError"}
DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "not YAML": lambda path: path.write_text("classes: [", encoding="utf-8"),
    "no date": lambda path: path.write_text("x: 2026-13-45", encoding="utf-8"),
    "huge": lambda path: path.write_text(f"x: {'9' * 5000}", encoding="utf-8"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.fixture
def settings(
    shop: Shop, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings with a webhook and a policy file of its own."""
    raw = yaml.safe_load(shop.settings.policy_file.read_text("utf-8"))
    own = {
        "policy_file": write_policy(tmp_path / "policy", raw),
        "alert_webhook_url": SecretStr(receiver.url),
        "alert_webhook_secret": SecretStr(SECRET),
    }
    changed = shop.settings.model_copy(update=own)
    monkeypatch.setattr(steps, "load_settings", lambda: changed)
    return changed


def _store_policy(shop: Shop, folder: Path, run_id: str = "night", **alerts: object) -> None:
    """Begin a run whose policy has this section `alerts`."""
    raw = yaml.safe_load(shop.settings.policy_file.read_text("utf-8"))
    policy = load_policy(write_policy(folder, raw, alerts=alerts))
    run = AuditRun(run_id, shop.window, shop.model_hash, policy, "cpu")
    with shop.connections.engine.begin() as connection:
        audit_runs.begin(connection, run)


def _add_task(shop: Shop, *, hours: float) -> None:
    shop.execute(
        "insert into moderation.review_task (object_key, etag, content_sha256, model_hash, "
        "policy_version, reasons, violation_score, run_id, priority, opened_at) "
        "values ('k', 'e', 's', 'm', 'p', '{}', 0.5, 'night', 0.5, :at)",
        at=datetime.now(UTC) - timedelta(hours=hours),
    )


def _update(shop: Shop, settings: Settings) -> dict[str, Any]:
    return update_alerts(datetime.now(UTC), (), settings, shop.connections)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_alerts_follow_the_newest_stored_policy_and_report_the_file(
    damage: Callable[[Path], object],
    shop: Shop,
    settings: Settings,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    _store_policy(shop, tmp_path / "stored", queue_hours=2)
    _add_task(shop, hours=3)  # the default limit is 24 hours
    damage(settings.policy_file)
    assert {"policy_invalid:file", "queue_age:queue"} <= set(_update(shop, settings)["open"])
    (reported,) = (r.content["data"] for r in receiver.requests if "policy_inv" in str(r.content))
    assert "policy.yaml" in reported["details"]["error"]
    assert "night stored" in reported["text"]["en"]
    assert reported["runbook"] == "docs/runbook.md#policy_invalid"
    assert _update(shop, settings)["delivered"] == 0


def test_alert_is_resolved_when_the_file_is_repaired(
    shop: Shop, settings: Settings, receiver: Receiver
) -> None:
    valid = settings.policy_file.read_text("utf-8")
    settings.policy_file.unlink()
    _update(shop, settings)
    settings.policy_file.write_text(valid, encoding="utf-8")
    assert "policy_invalid:file" not in _update(shop, settings)["open"]
    assert [key for key in receiver.keys if "policy" in key] == [OPEN, RESOLVED]


def test_policy_of_another_program_version_is_passed_over(
    shop: Shop, settings: Settings, tmp_path: Path
) -> None:
    _store_policy(shop, tmp_path / "stored", queue_hours=2)
    _store_policy(shop, tmp_path / "other", run_id="later")
    shop.execute(
        "update moderation.audit_run set started_at = now() + interval '1 minute', "
        """policy = policy || '{"new_section": {}}' where run_id = 'later'"""
    )
    _add_task(shop, hours=3)
    settings.policy_file.unlink()
    assert "queue_age:queue" in _update(shop, settings)["open"]


def test_defaults_hold_before_the_first_run(
    shop: Shop, settings: Settings, receiver: Receiver
) -> None:
    _add_task(shop, hours=30)
    settings.policy_file.unlink()
    assert {"policy_invalid:file", "queue_age:queue"} <= set(_update(shop, settings)["open"])
    assert "the defaults" in str([r.content for r in receiver.requests])


@pytest.mark.parametrize("muted", [False, True])
def test_failed_run_is_reported_as_the_stored_policy_says(
    muted: bool,
    shop: Shop,
    settings: Settings,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    _store_policy(shop, tmp_path / "stored", muted=["run_failed"] if muted else [])
    settings.policy_file.unlink()
    steps.run_failed(FAILED, **DETAILS)
    assert receiver.keys == ([] if muted else [f"alert.open run_failed:{FAILED}"])


def test_failed_run_is_sent_without_policy_file_and_database(
    shop: Shop, settings: Settings, receiver: Receiver
) -> None:
    shop.execute("drop table moderation.alert cascade")
    settings.policy_file.unlink()
    steps.run_failed(FAILED, **DETAILS)
    assert receiver.keys == [f"alert.open run_failed:{FAILED}"]
