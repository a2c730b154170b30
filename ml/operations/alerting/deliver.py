"""Deliver pending alerts: one notification when raised, one when resolved."""

from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine

from ml.core.errors import AlertError, AlertUnreachable
from ml.operations.alerting.messages import payload
from ml.operations.alerting.webhook import Webhook
from ml.storage import alerts
from ml.storage.database import in_transaction

log = structlog.get_logger()


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
