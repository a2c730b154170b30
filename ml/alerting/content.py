"""An alert as its receiver reads it: the JSON body of a message."""

from typing import Any

from ml.alerting.texts import message
from ml.policy.alerting import AlertKind
from ml.storage.alerts import StoredAlert

RUNBOOK = "docs/runbook.md"


def content(stored: StoredAlert) -> dict[str, Any]:
    """Documented for receivers in docs/alerts.md."""
    alert = stored.alert
    said = message(alert.kind, alert.details, resolved_at=stored.resolved_at)
    return {
        "type": "alert.open" if stored.resolved_at is None else "alert.resolved",
        "timestamp": (stored.resolved_at or stored.raised_at).isoformat(),
        "data": {
            "key": alert.key,
            "kind": alert.kind.value,
            "fact": alert.fact,
            "details": dict(alert.details),
            "raised_at": stored.raised_at.isoformat(),
            "resolved_at": stored.resolved_at and stored.resolved_at.isoformat(),
            "title": said.title,
            "text": said.text,
            "runbook": runbook_entry(alert.kind),
        },
    }


def runbook_entry(kind: AlertKind) -> str:
    """Where the runbook says what to do."""
    return f"{RUNBOOK}#{kind.value}"
