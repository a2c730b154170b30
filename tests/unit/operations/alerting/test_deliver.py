"""Delivery to a real HTTP server on this machine."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook as Signature

from ml.core.errors import AlertRejected, AlertUnreachable
from ml.core.settings import Settings
from ml.operations.alerting.deliver import RETRY_ATTEMPTS, Webhook
from tests.support.webhook_receiver import SECRET, TOKEN, Receiver, run_receiver

CONTENT: dict[str, Any] = {"type": "alert.open", "data": {"key": "queue_age:queue", "zh": "积压"}}

pytestmark = pytest.mark.usefixtures("no_waiting")


def test_message_is_json_signed_with_the_current_time(receiver: Receiver) -> None:
    Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    (got,) = receiver.requests
    assert got.content == CONTENT
    assert got.signed
    assert got.headers["webhook-id"] == "alert-1-open"
    age = datetime.now(UTC).timestamp() - int(got.headers["webhook-timestamp"])
    assert -1 <= age < 60
    # The specification's own library accepts it, too.
    assert Signature(SECRET).verify(got.body, got.headers) == CONTENT


def test_signature_with_another_secret_is_invalid(receiver: Receiver) -> None:
    Webhook(receiver.url, SECRET[:-8] + "AAAAAAA=").send("alert-1-open", CONTENT)
    assert not receiver.requests[0].signed


def test_message_is_sent_again_with_the_same_id_after_transient_errors(receiver: Receiver) -> None:
    receiver.answers = [500, 503]
    Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert [r.headers["webhook-id"] for r in receiver.requests] == ["alert-1-open"] * 3
    assert all(r.signed for r in receiver.requests)


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_rejected_message_is_not_sent_again(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(AlertRejected, match=f"127.0.0.1 answered {status}"):
        Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert len(receiver.requests) == 1


def test_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [307]
    with pytest.raises(AlertRejected, match="307"):
        Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert len(receiver.requests) == 1


def test_delivery_fails_after_the_last_attempt(receiver: Receiver) -> None:
    receiver.answers = [500] * 50
    with pytest.raises(AlertUnreachable, match="answered 500"):
        Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert len(receiver.requests) > RETRY_ATTEMPTS - 1


def test_error_names_host_of_unreachable_receiver_without_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with run_receiver() as stopped:
        url = stopped.url
    with caplog.at_level(logging.DEBUG), pytest.raises(AlertUnreachable) as caught:
        Webhook(url, SECRET).send("alert-1-open", CONTENT)
    assert str(caught.value) == "127.0.0.1 does not answer: ConnectError"
    assert TOKEN not in caplog.text


def test_sent_message_leaves_no_address_in_the_log(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert TOKEN not in caplog.text


def test_no_webhook_without_address() -> None:
    assert Webhook.of(Settings()) is None
