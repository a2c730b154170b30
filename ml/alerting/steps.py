"""The watch as a workflow calls it: settings from the environment, plain types at the border."""

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ml.alerting import watch as watching
from ml.alerting.alert import Alert
from ml.alerting.content import content
from ml.alerting.deliver import deliver
from ml.alerting.webhook import Webhook
from ml.connections import Connections, open_connections
from ml.errors import StorageError
from ml.policy.alerting import AlertKind
from ml.policy.policy import load_policy
from ml.settings import Settings, load_settings
from ml.storage import alerts
from ml.storage.alerts import StoredAlert
from ml.storage.database import in_transaction

log = structlog.get_logger()


@contextmanager
def _opened() -> Iterator[tuple[Settings, Connections]]:
    settings = load_settings()
    with closing(open_connections(settings)) as connections:
        yield settings, connections


def failed_runs() -> list[str]:
    """Facts of the open alerts of failed runs, for Airflow to say which are over."""
    with _opened() as (_, connections):
        still = in_transaction(connections.engine, alerts.open_alerts)
    return [row.alert.fact for row in still if row.alert.kind is AlertKind.RUN_FAILED]


def watch(runs_over: Collection[str] = ()) -> dict[str, Any]:
    """See `ml.alerting.watch`; looks at what is now, in a retry, too."""
    with _opened() as (settings, connections):
        return watching.watch(
            now=datetime.now(UTC),
            runs_over=runs_over,
            settings=settings,
            connections=connections,
        )


def run_failed(fact: str, **details: str) -> None:
    """Raise the alert of a failed run and tell of it; again it is no news.

    Where the database is what fails, or its schema, there is no row to keep: then the message goes
    out at once, and what was not taken is only in the log.

    Raises:
        AlertError: neither database nor receiver could be reached.
    """
    alert = Alert(AlertKind.RUN_FAILED, fact, details)
    settings = load_settings()
    if alert.kind in load_policy(settings.policy_file).alerts.silent:
        return
    webhook = Webhook.of(settings)
    try:
        with closing(open_connections(settings)) as connections:
            in_transaction(connections.engine, lambda c: alerts.raise_alert(c, alert))
            deliver(connections.engine, webhook)
    except (StorageError, SQLAlchemyError) as error:
        log.warning(
            "an alert without a row: the database fails",
            alert=alert.key,
            error=type(error).__name__,
        )
        if webhook is not None:
            unkept = StoredAlert(0, alert, datetime.now(UTC), None, None, None)
            webhook.send(f"{alert.key}-open", content(unkept))
