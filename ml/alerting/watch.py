"""One look at everything: raise what is wrong, close what is over, tell of both, measure."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from ml.alerting.alert import Alert
from ml.alerting.deliver import deliver
from ml.alerting.facts import read_facts
from ml.alerting.rules import BY_RULE, Facts, Nights, alerts
from ml.alerting.webhook import Webhook
from ml.connections import Connections
from ml.operations import statsd
from ml.operations.gauges import of_alerts, of_queue
from ml.policy.alerting import AlertKind
from ml.policy.policy import load_policy
from ml.settings import Settings
from ml.storage import alerts as stored
from ml.storage.database import in_transaction

log = structlog.get_logger()


def watch(
    *, now: datetime, runs_over: Collection[str], settings: Settings, connections: Connections
) -> dict[str, Any]:
    """Look once.

    Args:
        now: with a time zone.
        runs_over: facts of alerts of failed runs that Airflow says have succeeded since.
        settings: of the schedule, the webhook and the metrics.
        connections: open.

    Returns:
        Photos that wait, keys of the open alerts, messages told and left.
    """
    policy = load_policy(settings.policy_file)

    def look(connection: Connection) -> Facts:
        facts = read_facts(
            connection,
            now=now,
            policy=policy,
            timezone=settings.timezone,
            commerce=connections.commerce,
        )
        hold = alerts(facts, policy, Nights(settings.schedule, settings.timezone))
        _update(connection, hold, runs_over)
        return facts

    facts = in_transaction(connections.engine, look)
    delivered = deliver(connections.engine, Webhook.of(settings))
    still = [row.alert for row in in_transaction(connections.engine, stored.open_alerts)]
    _measure(facts, still, delivered.left, settings)
    result = {
        "waiting": facts.waiting,
        "open": [alert.key for alert in still],
        "told": delivered.told,
        "left": delivered.left,
    }
    log.info("watched", **result)
    return result


def _update(connection: Connection, hold: list[Alert], runs_over: Collection[str]) -> None:
    """Bring the open alerts in line with those that hold."""
    names = {alert.key for alert in hold}
    was_open = [row.alert for row in stored.open_alerts(connection)]
    stored.resolve(connection, [a for a in was_open if _is_over(a, names, runs_over)])
    for alert in hold:
        stored.raise_alert(connection, alert)


def _is_over(alert: Alert, hold: Collection[str], runs_over: Collection[str]) -> bool:
    return alert.key not in hold if alert.kind in BY_RULE else alert.fact in runs_over


def _measure(facts: Facts, still: list[Alert], left: int, settings: Settings) -> None:
    age = facts.oldest.total_seconds() if facts.oldest is not None else None
    found = Counter(alert.kind for alert in still)
    by_kind = {kind.value: found[kind] for kind in AlertKind}
    queue = of_queue(waiting=facts.waiting, oldest_seconds=age)
    statsd.send([*queue, *of_alerts(by_kind=by_kind, undelivered=left)], settings)
