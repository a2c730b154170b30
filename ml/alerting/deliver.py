"""Tell the receiver what it has not been told: each alert once, its end once."""

from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection, Engine

from ml.alerting.content import content
from ml.alerting.webhook import Webhook
from ml.errors import AlertError, AlertUnreachable
from ml.storage import alerts
from ml.storage.database import in_transaction

log = structlog.get_logger()


@dataclass(frozen=True)
class Delivered:
    """Messages that were taken, and those left for the next time."""

    told: int
    left: int


def deliver(engine: Engine, webhook: Webhook | None) -> Delivered:
    """Send what is to be told, oldest first; what is not taken stays for the next time.

    The row is locked while its message is on its way, so that two processes do not both send it.
    Only when this one dies between answer and commit is a message sent again, under the same id.
    """
    if webhook is None:
        return Delivered(0, 0)
    told = 0
    for alert_id in in_transaction(engine, alerts.to_tell):
        outcome = in_transaction(engine, partial(_tell, webhook=webhook, alert_id=alert_id))
        told += outcome is True
        if isinstance(outcome, AlertUnreachable):
            break
    return Delivered(told, len(in_transaction(engine, alerts.to_tell)))


def _tell(connection: Connection, *, webhook: Webhook, alert_id: int) -> bool | AlertError:
    """Whether this process told it; False where another has it, or has told it."""
    stored = alerts.take(connection, alert_id)
    if stored is None:
        return False
    try:
        webhook.send(stored.message_id, content(stored))
    except AlertError as error:
        log.error("alert not delivered", alert=stored.alert.key, error=str(error))  # noqa: TRY400 - the message says all
        alerts.set_error(connection, stored, str(error))
        return error
    alerts.set_told(connection, stored)
    log.info("alert delivered", alert=stored.alert.key, message_id=stored.message_id)
    return True
