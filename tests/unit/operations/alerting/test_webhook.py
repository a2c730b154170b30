"""Delivery to a real HTTP server on this machine."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook as Signature

from ml.core.errors import AlertRejected, AlertUnreachable
from ml.core.settings import Settings
from ml.operations.alerting.webhook import RETRY_ATTEMPTS, Webhook
from tests.support.webhook_receiver import SECRET, TOKEN, Receiver, run_receiver

CONTENT: dict[str, Any] = {"type": "alert.open", "data": {"key": "queue_age:queue", "zh": "积压"}}

pytestmark = pytest.mark.usefixtures("no_waiting")


def test_a_message_arrives_as_json_signed_with_a_fresh_time(receiver: Receiver) -> None:
    Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    (got,) = receiver.requests
    assert got.content == CONTENT
    assert got.signed
    assert got.headers["webhook-id"] == "alert-1-open"
    age = datetime.now(UTC).timestamp() - int(got.headers["webhook-timestamp"])
    assert -1 <= age < 60
    # A receiver that uses the specification's library takes it, too.
    assert Signature(SECRET).verify(got.body, got.headers) == CONTENT


def test_another_secret_or_another_body_is_not_what_was_signed(receiver: Receiver) -> None:
    Webhook(receiver.url, SECRET[:-8] + "AAAAAAA=").send("alert-1-open", CONTENT)
    assert not receiver.requests[0].signed


def test_a_receiver_that_fails_twice_is_asked_again_under_the_same_id(receiver: Receiver) -> None:
    receiver.answers = [500, 503]
    Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert [r.headers["webhook-id"] for r in receiver.requests] == ["alert-1-open"] * 3
    assert all(r.signed for r in receiver.requests)


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_receiver_that_says_no_is_not_asked_again(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(AlertRejected, match=f"127.0.0.1 answered {status}"):
        Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert len(receiver.requests) == 1


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [307]
    with pytest.raises(AlertRejected, match="307"):
        Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert len(receiver.requests) == 1


def test_a_receiver_that_stays_ill_is_given_up_for_now(receiver: Receiver) -> None:
    receiver.answers = [500] * 50
    with pytest.raises(AlertUnreachable, match="answered 500"):
        Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert len(receiver.requests) > RETRY_ATTEMPTS - 1


def test_nobody_there_is_said_by_host_and_never_by_the_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with run_receiver() as gone:
        url = gone.url
    with caplog.at_level(logging.DEBUG), pytest.raises(AlertUnreachable) as caught:
        Webhook(url, SECRET).send("alert-1-open", CONTENT)
    assert str(caught.value) == "127.0.0.1 does not answer: ConnectError"
    assert TOKEN not in caplog.text


def test_a_sent_message_leaves_no_address_in_the_log(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        Webhook(receiver.url, SECRET).send("alert-1-open", CONTENT)
    assert TOKEN not in caplog.text


def test_without_an_address_there_is_no_webhook() -> None:
    assert Webhook.of(Settings()) is None
