"""Alerts are raised, delivered and resolved, with a real database and a real HTTP receiver."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from ml.core.settings import Settings
from ml.operations.alerting.deliver import RETRY_ATTEMPTS
from ml.operations.alerting.steps import update_alerts
from tests.support.servers import Shop
from tests.support.statsd_listener import statsd_listener
from tests.support.webhook_receiver import SECRET, Receiver

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]

# The age of the queue is by the database's clock, all else as of NOW.
NOW = datetime.now(UTC)
NOON = NOW.replace(hour=4)  # in Shanghai: after the deadline of the nightly run


def _settings(shop: Shop, receiver: Receiver | None, **more: object) -> Settings:
    webhook: dict[str, object] = {}
    if receiver is not None:
        webhook = {
            "alert_webhook_url": SecretStr(receiver.url),
            "alert_webhook_secret": SecretStr(SECRET),
        }
    return shop.settings.model_copy(update={**webhook, **more})


def _update(
    shop: Shop, settings: Settings, *, runs_over: tuple[str, ...] = (), now: datetime = NOW
) -> dict[str, Any]:
    return update_alerts(now, runs_over, settings, shop.connections)


def _add_run(shop: Shop, run_id: str = "night", *, state: str = "reconciled") -> None:
    """A finished nightly run of the last window."""
    shop.execute(
        "insert into moderation.audit_run (run_id, window_start, window_end, model_hash, "
        "policy_version, policy, device, state, listed, report) values (:run, :start, :end, "
        ":model, 'p', '{}', 'cpu', :state, 0, "
        """'{"verdicts": {"pass": 0, "review": 0, "block": 0}}')""",
        run=run_id, start=NOW - timedelta(days=1), end=NOW, model=shop.model_hash, state=state,
    )  # fmt: skip


def _add_task(shop: Shop, *, hours: float) -> None:
    shop.execute(
        "insert into moderation.review_task (object_key, etag, content_sha256, model_hash, "
        "policy_version, reasons, violation_score, run_id, priority, opened_at) "
        "values ('k', 'e', 's', 'm', 'p', '{}', 0.5, 'night', 0.5, :at)",
        at=datetime.now(UTC) - timedelta(hours=hours),
    )


def test_alert_and_its_resolution_are_delivered_once(shop: Shop, receiver: Receiver) -> None:
    _add_run(shop)
    _add_task(shop, hours=30)
    settings = _settings(shop, receiver)
    assert _update(shop, settings) == {
        "waiting": 1, "open": ["queue_age:queue"], "delivered": 1, "pending": 0,
    }  # fmt: skip
    assert _update(shop, settings)["delivered"] == 0
    shop.execute("update moderation.review_task set state = 'decided'")
    assert _update(shop, settings)["delivered"] == 1
    assert _update(shop, settings)["delivered"] == 0
    assert receiver.keys == ["alert.open queue_age:queue", "alert.resolved queue_age:queue"]
    assert all(request.signed for request in receiver.requests)
    raised, resolved = (request.content["data"] for request in receiver.requests)
    assert raised["details"]["waiting"] == 1
    assert raised["runbook"] == "docs/runbook.md#queue_age"
    assert "30 hours" in raised["text"]["en"]
    assert "积压" in raised["title"]["zh"]
    assert resolved["resolved_at"] > resolved["raised_at"]
    assert raised["raised_at"] == resolved["raised_at"]


def test_condition_that_recurs_is_a_new_alert(shop: Shop, receiver: Receiver) -> None:
    _add_run(shop)
    _add_task(shop, hours=30)
    settings = _settings(shop, receiver)
    _update(shop, settings)
    shop.execute("update moderation.review_task set state = 'decided'")
    _update(shop, settings)
    shop.execute("update moderation.review_task set state = 'open'")
    _update(shop, settings)
    assert [r.headers["webhook-id"].rsplit("-", 1)[1] for r in receiver.requests] == [
        "open", "resolved", "open",
    ]  # fmt: skip
    assert len({r.headers["webhook-id"] for r in receiver.requests}) == 3


def test_undelivered_alert_is_sent_at_the_next_evaluation(shop: Shop, receiver: Receiver) -> None:
    _add_run(shop)
    _add_task(shop, hours=30)
    receiver.answers = [500] * RETRY_ATTEMPTS
    settings = _settings(shop, receiver)
    assert _update(shop, settings)["pending"] == 1
    assert shop.rows("select notified_at, last_error from moderation.alert") == [
        (None, "127.0.0.1 answered 500")
    ]
    assert _update(shop, settings) == {
        "waiting": 1, "open": ["queue_age:queue"], "delivered": 1, "pending": 0,
    }  # fmt: skip
    assert shop.rows("select notified_at is null, last_error from moderation.alert") == [
        (False, None)
    ]


def test_rejected_alert_is_sent_once_per_evaluation_and_stops_no_other(
    shop: Shop, receiver: Receiver
) -> None:
    _add_run(shop)
    _add_run(shop, "broken", state="failed")
    _add_task(shop, hours=30)
    receiver.answers = [401]
    settings = _settings(shop, receiver)
    assert (_update(shop, settings)["delivered"], len(receiver.requests)) == (1, 2)
    assert (_update(shop, settings)["delivered"], len(receiver.requests)) == (1, 3)


def test_resolution_of_undelivered_alert_is_not_sent(shop: Shop, receiver: Receiver) -> None:
    _add_run(shop)
    _add_task(shop, hours=30)
    receiver.answers = [401]
    settings = _settings(shop, receiver)
    _update(shop, settings)
    shop.execute("update moderation.review_task set state = 'decided'")
    _update(shop, settings)
    assert receiver.keys == ["alert.open queue_age:queue"]


def test_alerts_are_stored_without_webhook_and_delivered_later(
    shop: Shop, receiver: Receiver
) -> None:
    _add_task(shop, hours=30)
    found = _update(shop, _settings(shop, None), now=NOON)
    assert found["open"] == ["run_late:no run yet", "queue_age:queue"]
    assert _update(shop, _settings(shop, receiver), now=NOON)["delivered"] == 2


def test_alert_of_unbalanced_run_is_open_until_it_is_reconciled(
    shop: Shop, receiver: Receiver
) -> None:
    _add_run(shop)
    _add_run(shop, "broken", state="failed")
    settings = _settings(shop, receiver)
    assert _update(shop, settings)["open"] == ["identity_broken:broken"]
    shop.execute("update moderation.audit_run set state = 'reconciled'")
    assert _update(shop, settings)["open"] == []


def test_alert_of_failed_run_is_open_until_the_run_succeeds(shop: Shop, receiver: Receiver) -> None:
    _add_run(shop)
    details = '{"dag_id": "d", "run_id": "r", "task_id": "t", "error": "e"}'
    shop.execute(
        "insert into moderation.alert (kind, dedup_key, details) "
        "values ('run_failed', 'd/r', :given)",
        given=details,
    )
    settings = _settings(shop, receiver)
    assert _update(shop, settings)["open"] == ["run_failed:d/r"]
    assert _update(shop, settings, runs_over=("d/r",))["open"] == []


def test_signals_come_from_runs_labels_and_promotions(shop: Shop) -> None:
    shop.execute(
        "insert into moderation.promotion (model_hash, promoted_by, reason, promoted_at) "
        "values (:model, 'ann', 'long ago', now() - interval '4 months')",
        model=shop.model_hash,
    )
    _add_run(shop)
    shop.execute(
        "update moderation.audit_run set report = "
        """'{"verdicts": {"pass": 100, "review": 300, "block": 0}}', """
        "listed = 500, quarantined = 100"
    )
    shop.execute(
        "insert into moderation.verdict (content_sha256, model_hash, policy_version, decision, "
        "reasons, scores, violation_score, pass_confidence, runtime_versions, run_id) "
        "select 's' || n, :model, 'p', 'pass', '{}', '{}', 0.1, 0.7, '{}', 'night' "
        "from generate_series(1, 60) n",
        model=shop.model_hash,
    )
    shop.execute(
        "with task as (insert into moderation.review_task (object_key, etag, content_sha256, "
        "model_hash, policy_version, reasons, violation_score, run_id, state, priority, route, "
        "sampling_rate) select 'k' || n, 'e', 's' || n, :model, 'p', '{}', 0.1, 'night', "
        "'decided', 0.5, 'spot_check', 0.01 from generate_series(1, 60) n "
        "returning task_id, content_sha256) "
        "insert into moderation.human_label (content_sha256, label, reviewer, route, "
        "sampling_rate, task_id) select content_sha256, case when task_id % 3 = 0 then 'violate' "
        "else 'normal' end, 'ann', 'spot_check', 0.01, task_id from task",
        model=shop.model_hash,
    )
    assert _update(shop, _settings(shop, None))["open"] == [
        "quarantine_share:night",
        "review_rate:high",
        f"leak_bound:{NOW.astimezone(ZoneInfo(shop.settings.timezone)).strftime('%Y-%m')}",
        f"promotion_age:{shop.model_hash}",
    ]


def test_gauges_of_queue_and_alerts_are_sent(shop: Shop, receiver: Receiver) -> None:
    _add_run(shop)
    _add_task(shop, hours=30)
    receiver.answers = [401]
    with statsd_listener() as listener:
        measured = {"statsd_host": "127.0.0.1", "statsd_port": listener.port}
        _update(shop, _settings(shop, receiver, **measured))
        found = listener.gauges()
    assert found["moderation.queue.waiting"] == 1
    assert found["moderation.queue.oldest_seconds"] == pytest.approx(30 * 3600, abs=60)
    assert found["moderation.alerts.open.queue_age"] == 1
    assert found["moderation.alerts.open.run_late"] == 0
    assert found["moderation.alerts.undelivered"] == 1
    assert found["moderation.watch.ran"] == 1
