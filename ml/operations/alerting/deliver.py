"""Deliver pending alerts to an HTTP receiver: one notification when raised, one when resolved.

Messages are signed by the Standard Webhooks specification (version 1.0.0).
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina
import structlog
from sqlalchemy import Connection, Engine
from standardwebhooks import Webhook as Signature

from ml.core.errors import AlertError, AlertRejected, AlertUnreachable
from ml.core.settings import Settings
from ml.operations.alerting.messages import payload
from ml.storage import alerts
from ml.storage.database import in_transaction

log = structlog.get_logger()

TIMEOUT_SECONDS = 10.0
RETRY_ATTEMPTS = 4
RETRY_SECONDS = 30.0  # all attempts together; a longer outage is left to the next evaluation

# Time-outs, too many requests, and server errors that may pass.
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

# httpx writes each request's whole address at level INFO; that of a webhook may hold a token.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Webhook:
    """A receiver's address, and the secret shared with it: `whsec_` and base64."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._host = urlsplit(url).hostname
        self._signature = Signature(secret)

    @classmethod
    def of(cls, settings: Settings) -> "Webhook | None":
        """The webhook of the settings; None where none is set."""
        url, secret = settings.alert_webhook_url, settings.alert_webhook_secret
        if url is None or secret is None:
            return None
        return cls(url.get_secret_value(), secret.get_secret_value())

    def send(self, message_id: str, content: Mapping[str, Any]) -> None:
        """Post the content as JSON; retry with jittered pauses on transient failures.

        Raises:
            AlertRejected: an answer other than 2xx that a retry would not change.
            AlertUnreachable: still no answer, or a transient one, after RETRY_ATTEMPTS.
        """
        body = json.dumps(content, ensure_ascii=False)
        retries = stamina.retry_context(
            on=AlertUnreachable, attempts=RETRY_ATTEMPTS, timeout=RETRY_SECONDS, wait_max=8.0
        )
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            for attempt in retries:
                with attempt:
                    self._post(client, message_id, body)

    def _post(self, client: httpx.Client, message_id: str, body: str) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": f"{now.timestamp():.0f}",
            "webhook-signature": self._signature.sign(message_id, now, body),
        }
        try:
            answer = client.post(self._url, content=body.encode(), headers=headers)
        except httpx.TransportError as error:
            message = f"{self._host} does not answer: {type(error).__name__}"
            raise AlertUnreachable(message) from error
        if answer.is_success:
            return
        message = f"{self._host} answered {answer.status_code}"
        if answer.status_code in _TRANSIENT:
            raise AlertUnreachable(message)
        raise AlertRejected(message)


@dataclass(frozen=True)
class Delivered:
    """Numbers of messages that were accepted, and that wait for the next attempt."""

    delivered: int
    pending: int


def deliver(engine: Engine, webhook: Webhook | None) -> Delivered:
    """Send the pending messages, oldest first; those not accepted stay for the next attempt.

    The row is locked while its message is under way, so that two processes do not both send it.
    Only when this process dies between answer and commit is a message sent twice, under one id.
    """
    if webhook is None:
        return Delivered(0, 0)
    delivered = 0
    for alert_id in in_transaction(engine, alerts.undelivered):
        outcome = in_transaction(engine, _send, webhook, alert_id)
        delivered += outcome is True
        if isinstance(outcome, AlertUnreachable):
            break
    return Delivered(delivered, len(in_transaction(engine, alerts.undelivered)))


def _send(connection: Connection, webhook: Webhook, alert_id: int) -> bool | AlertError:
    """Whether this process delivered it; False where another sends it, or has sent it."""
    stored = alerts.lock_alert(connection, alert_id)
    if stored is None:
        return False
    try:
        webhook.send(stored.message_id, payload(stored))
    except AlertError as error:
        log.error("alert not delivered", alert=stored.alert.key, error=str(error))  # noqa: TRY400 - the message says all
        alerts.set_error(connection, stored, str(error))
        return error
    alerts.mark_delivered(connection, stored)
    log.info("alert delivered", alert=stored.alert.key, message_id=stored.message_id)
    return True
