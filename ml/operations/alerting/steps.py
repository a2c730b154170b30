"""Steps of `evaluate_alerts` for a workflow: settings from the environment, plain types."""

from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import structlog

from ml.core.errors import SettingsError
from ml.core.settings import load_settings
from ml.core.types import Alert, AlertKind
from ml.operations.alerting import evaluate
from ml.operations.alerting.deliver import deliver
from ml.operations.alerting.messages import payload
from ml.operations.alerting.webhook import Webhook
from ml.policy.schema import load_policy
from ml.storage import alerts
from ml.storage.alerts import StoredAlert
from ml.storage.connections import open_connections, task_context
from ml.storage.database import DATABASE_ERRORS, in_transaction

log = structlog.get_logger()


def failed_runs() -> list[str]:
    """Dedup keys of the open alerts of failed runs; Airflow says which are over."""
    with task_context() as (_, connections):
        still_open = in_transaction(connections.engine, alerts.open_alerts)
    return [row.alert.dedup_key for row in still_open if row.alert.kind is AlertKind.RUN_FAILED]


def evaluate_rules(runs_over: Collection[str] = ()) -> dict[str, Any]:
    """See `ml.operations.alerting.evaluate`; as of now, in a retry too."""
    with task_context() as (settings, connections):
        return evaluate.evaluate_rules(
            now=datetime.now(UTC),
            runs_over=runs_over,
            settings=settings,
            connections=connections,
        )


def run_failed(dedup_key: str, **details: str) -> None:
    """Raise the alert of a failed run and deliver it. Idempotent.

    Where the database itself fails, or its schema, no row can be stored: the message is then sent
    at once, and if the receiver rejects it, it is only in the log.

    Raises:
        AlertError: neither database nor receiver could be reached.
    """
    alert = Alert(AlertKind.RUN_FAILED, dedup_key, details)
    settings = load_settings()
    if alert.kind in load_policy(settings.policy_file).alerts.muted:
        return
    webhook = Webhook.of(settings)
    try:
        with closing(open_connections(settings)) as connections:
            in_transaction(connections.engine, alerts.raise_alert, alert)
            deliver(connections.engine, webhook)
    except (SettingsError, *DATABASE_ERRORS) as error:
        log.warning(
            "alert not stored: the database fails",
            alert=alert.key,
            error=type(error).__name__,
        )
        if webhook is not None:
            unstored = StoredAlert(0, alert, datetime.now(UTC), None, None)
            webhook.send(f"{alert.key}-open", payload(unstored))
