"""Evaluate the alert rules: raise and resolve alerts, deliver both, send the gauges."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from ml.core import statsd
from ml.core.settings import Settings
from ml.core.types import Alert, AlertKind
from ml.operations.alerting.deliver import deliver
from ml.operations.alerting.rules import BY_RULE, RunSchedule, Signals, alerts
from ml.operations.alerting.signals import collect_signals
from ml.operations.alerting.webhook import Webhook
from ml.operations.monitoring.run_gauges import alert_gauges, queue_gauges
from ml.policy.schema import load_policy
from ml.storage import alerts as stored
from ml.storage.connections import Connections
from ml.storage.database import in_transaction

log = structlog.get_logger()


def evaluate_rules(
    *, now: datetime, runs_over: Collection[str], settings: Settings, connections: Connections
) -> dict[str, Any]:
    """Evaluate all rules once.

    Args:
        now: with a time zone.
        runs_over: dedup keys of alerts of failed runs that have succeeded since, by Airflow.
        settings: of the schedule, the webhook and the metrics.
        connections: open.

    Returns:
        Pending review tasks, keys of the open alerts, messages delivered and pending.
    """
    policy = load_policy(settings.policy_file)

    def update(connection: Connection) -> Signals:
        signals = collect_signals(
            connection,
            now=now,
            policy=policy,
            timezone=settings.timezone,
            commerce=connections.commerce,
        )
        raised = alerts(signals, policy, RunSchedule(settings.schedule, settings.timezone))
        _update(connection, raised, runs_over)
        return signals

    signals = in_transaction(connections.engine, update)
    messages = deliver(connections.engine, Webhook.of(settings))
    still_open = [row.alert for row in in_transaction(connections.engine, stored.open_alerts)]
    _send_gauges(signals, still_open, messages.pending, settings)
    result = {
        "waiting": signals.waiting,
        "open": [alert.key for alert in still_open],
        "delivered": messages.delivered,
        "pending": messages.pending,
    }
    log.info("alert rules evaluated", **result)
    return result


def _update(connection: Connection, raised: list[Alert], runs_over: Collection[str]) -> None:
    """Make the stored open alerts those that the rules raise."""
    keys = {alert.key for alert in raised}
    was_open = [row.alert for row in stored.open_alerts(connection)]
    stored.resolve(connection, [a for a in was_open if _is_over(a, keys, runs_over)])
    for alert in raised:
        stored.raise_alert(connection, alert)


def _is_over(alert: Alert, raised: Collection[str], runs_over: Collection[str]) -> bool:
    return alert.key not in raised if alert.kind in BY_RULE else alert.dedup_key in runs_over


def _send_gauges(
    signals: Signals, still_open: list[Alert], pending: int, settings: Settings
) -> None:
    age = signals.oldest.total_seconds() if signals.oldest is not None else None
    open_by_kind = Counter(alert.kind for alert in still_open)
    by_kind = {kind.value: open_by_kind[kind] for kind in AlertKind}
    queue = queue_gauges(waiting=signals.waiting, oldest_seconds=age)
    statsd.send_gauges([*queue, *alert_gauges(by_kind=by_kind, undelivered=pending)], settings)
