"""Processes that deliver at the same time send each message once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml.core.types import Alert, AlertKind
from ml.operations.alerting.deliver import Delivered, Webhook, deliver
from ml.storage import alerts
from ml.storage.database import connect, in_transaction
from tests.support.webhook_receiver import SECRET, Receiver

pytestmark = pytest.mark.integration

DETAILS = {"run_id": "r"}


def test_concurrent_deliveries_send_each_message_once(
    database_url: str, receiver: Receiver
) -> None:
    engine = connect(database_url)
    for n in range(6):
        alert = Alert(AlertKind.IDENTITY_BROKEN, f"run-{n}", DETAILS)
        assert in_transaction(engine, lambda c, a=alert: alerts.raise_alert(c, a))
        assert not in_transaction(engine, lambda c, a=alert: alerts.raise_alert(c, a))
    together = threading.Barrier(3)

    def deliver_together() -> Delivered:
        together.wait()
        return deliver(engine, Webhook(receiver.url, SECRET))

    with ThreadPoolExecutor(3) as pool:
        done = [future.result() for future in [pool.submit(deliver_together) for _ in range(3)]]
    assert sorted(receiver.keys) == [f"alert.open identity_broken:run-{n}" for n in range(6)]
    assert sum(result.delivered for result in done) == 6
    assert deliver(engine, Webhook(receiver.url, SECRET)) == Delivered(0, 0)
    engine.dispose()
