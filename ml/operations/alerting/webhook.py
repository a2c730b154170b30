"""Delivery to an HTTP receiver, signed by the Standard Webhooks specification (version 1.0.0)."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina
from standardwebhooks import Webhook as Signature

from ml.core.errors import AlertRejected, AlertUnreachable
from ml.core.settings import Settings

TIMEOUT_SECONDS = 10.0
RETRY_ATTEMPTS = 4
RETRY_SECONDS = 30.0  # all attempts together; a longer outage is left to the next evaluation

# Time-outs, too many requests, and server errors that may pass.
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

# httpx writes each request's whole address at level INFO; that of a webhook may hold a token.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Webhook:
    """A receiver's address and the secret shared with it.

    Args:
        url: http or https; redirects are not followed.
        secret: `whsec_` and base64, as `ml.core.settings` has checked.
    """

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
        headers = self._headers(message_id, body)
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

    def _headers(self, message_id: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC).replace(microsecond=0)
        return {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": f"{now.timestamp():.0f}",
            "webhook-signature": self._signature.sign(message_id, now, body),
        }
