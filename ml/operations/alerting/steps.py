"""Steps of `evaluate_alerts` for a workflow: raise, resolve and deliver alerts, send the gauges."""

from collections import Counter
from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from ml.core.errors import PolicyError, SettingsError
from ml.core.metrics import Gauge, send_gauges
from ml.core.settings import Settings, load_settings
from ml.core.types import Alert, AlertKind
from ml.operations.alerting.deliver import Webhook, deliver
from ml.operations.alerting.messages import payload
from ml.operations.alerting.rules import BY_RULE, RunSchedule, apply_rules
from ml.operations.alerting.signals import Signals, collect_signals
from ml.policy.schema import load_policy
from ml.storage import alerts
from ml.storage.connections import Connections, open_connections, task_context
from ml.storage.database import DATABASE_ERRORS, in_transaction
from ml.storage.policy_in_force import PolicyInForce, policy_in_force

log = structlog.get_logger()


def failed_runs(*, settings: Settings | None = None) -> list[str]:
    """Dedup keys of the open alerts of failed runs; Airflow says which are over."""
    with task_context(settings) as (_, connections):
        still_open = in_transaction(connections.engine, alerts.open_alerts)
    return [row.alert.dedup_key for row in still_open if row.alert.kind is AlertKind.RUN_FAILED]


def evaluate_rules(
    runs_over: Collection[str] = (), *, settings: Settings | None = None
) -> dict[str, Any]:
    """Evaluate all rules once as of now, in a retry too; `runs_over` as in `update_alerts`."""
    with task_context(settings) as (loaded, connections):
        return update_alerts(datetime.now(UTC), runs_over, loaded, connections)


def update_alerts(
    now: datetime, runs_over: Collection[str], settings: Settings, connections: Connections
) -> dict[str, Any]:
    """Evaluate all rules once as of `now` (with a time zone), and deliver what changed.

    `runs_over` are the dedup keys of alerts of failed runs that have succeeded since, by Airflow.
    The result has the pending review tasks, the keys of the open alerts, and the numbers of
    messages delivered and pending.
    """
    engine = connections.engine
    signals = in_transaction(engine, _update, now, runs_over, settings)
    messages = deliver(engine, Webhook.of(settings))
    still_open = [row.alert for row in in_transaction(engine, alerts.open_alerts)]
    send_gauges(_gauges(signals, still_open, messages.pending), settings)
    result = {
        "waiting": signals.waiting,
        "open": [alert.key for alert in still_open],
        "delivered": messages.delivered,
        "pending": messages.pending,
    }
    log.info("alert rules evaluated", **result)
    return result


def _update(
    connection: Connection,
    now: datetime,
    runs_over: Collection[str],
    settings: Settings,
) -> Signals:
    """Make the stored open alerts those that the rules raise."""
    in_force, timezone = policy_in_force(connection, settings), settings.timezone
    policy = in_force.policy
    signals = collect_signals(connection, now=now, policy=policy, timezone=timezone)
    raised = apply_rules(signals, policy, RunSchedule(settings.schedule, timezone))
    if in_force.problem is not None and AlertKind.POLICY_INVALID not in policy.alerts.muted:
        raised.append(_policy_alert(in_force))
    keys = {alert.key for alert in raised}
    was_open = [row.alert for row in alerts.open_alerts(connection)]
    alerts.resolve(connection, [a for a in was_open if _is_over(a, keys, runs_over)])
    for alert in raised:
        alerts.raise_alert(connection, alert)
    return signals


def _policy_alert(in_force: PolicyInForce) -> Alert:
    """The alert about the one policy file."""
    stored = in_force.stored
    run_id = stored.run_id if stored else "no run (the defaults)"
    details = {"error": in_force.problem, "run_id": run_id}
    return Alert(AlertKind.POLICY_INVALID, "file", details)


def _is_over(alert: Alert, raised: Collection[str], runs_over: Collection[str]) -> bool:
    return alert.key not in raised if alert.kind in BY_RULE else alert.dedup_key in runs_over


def _gauges(signals: Signals, still_open: list[Alert], pending: int) -> list[Gauge]:
    """Gauges of the queue and the alerts; without `watch.ran` the evaluation is down."""
    open_by_kind = Counter(alert.kind for alert in still_open)
    return [
        Gauge("queue.waiting", signals.waiting),
        Gauge("queue.oldest_seconds", signals.oldest.total_seconds() if signals.oldest else 0.0),
        *(Gauge(f"alerts.open.{kind.value}", open_by_kind[kind]) for kind in AlertKind),
        Gauge("alerts.undelivered", pending),
        Gauge("watch.ran", 1),
    ]


def run_failed(dedup_key: str, *, settings: Settings | None = None, **details: str) -> None:
    """Raise the alert of a failed run and deliver it. Idempotent.

    Where the database itself fails, or its schema, no row can be stored: the message is then sent
    at once, and if the receiver rejects it, it is only in the log.

    Raises:
        AlertError: neither database nor receiver could be reached.
    """
    alert = Alert(AlertKind.RUN_FAILED, dedup_key, details)
    settings = settings or load_settings()
    webhook = Webhook.of(settings)
    try:
        with closing(open_connections(settings)) as connections:
            if in_transaction(connections.engine, _raise_unless_muted, alert, settings):
                deliver(connections.engine, webhook)
    except (SettingsError, *DATABASE_ERRORS) as error:
        log.warning(
            "alert not stored: the database fails", alert=alert.key, error=type(error).__name__
        )
        if webhook is not None and not _is_muted_by_file(alert, settings):
            unstored = alerts.StoredAlert(0, alert, datetime.now(UTC), None, None)
            webhook.send(f"{alert.key}-open", payload(unstored))


def _raise_unless_muted(connection: Connection, alert: Alert, settings: Settings) -> bool:
    """Whether the policy in force lets the alert be raised; it is then open."""
    if alert.kind in policy_in_force(connection, settings).policy.alerts.muted:
        return False
    alerts.raise_alert(connection, alert)
    return True


def _is_muted_by_file(alert: Alert, settings: Settings) -> bool:
    """For a database that fails: whether the policy file mutes the alert, as far as it says so."""
    try:
        return alert.kind in load_policy(settings.policy_file).alerts.muted
    except PolicyError:
        return False
