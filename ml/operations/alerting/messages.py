"""Texts of alerts and the payload that carries them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

from ml.core.types import AlertKind
from ml.core.yaml_file import load_yaml
from ml.storage.alerts import StoredAlert


@dataclass(frozen=True)
class Message:
    """Title and text by language."""

    title: dict[str, str]
    text: dict[str, str]


def message(
    kind: AlertKind, details: Mapping[str, Any], *, resolved_at: datetime | None = None
) -> Message:
    """Message for a raised alert or, if `resolved_at` is given, for its resolution."""
    title: dict[str, str] = _texts()[kind.value]["title"]
    text = {name: t.format(**details) for name, t in _texts()[kind.value]["text"].items()}
    if resolved_at is None:
        return Message(title, text)
    over, end = _texts()["over"], resolved_at.isoformat(sep=" ", timespec="minutes")
    return Message(
        {name: t.format(title=title[name]) for name, t in over["title"].items()},
        {name: t.format(text=text[name], resolved_at=end) for name, t in over["text"].items()},
    )


@cache
def _texts() -> dict[str, Any]:
    return cast("dict[str, Any]", load_yaml(Path(__file__).with_name("texts.yaml")))


def payload(stored: StoredAlert) -> dict[str, Any]:
    """The body of a notification; docs/alerts.md documents it for receivers."""
    alert = stored.alert
    content = message(alert.kind, alert.details, resolved_at=stored.resolved_at)
    return {
        "type": "alert.open" if stored.resolved_at is None else "alert.resolved",
        "timestamp": (stored.resolved_at or stored.raised_at).isoformat(),
        "data": {
            "key": alert.key,
            "kind": alert.kind.value,
            "dedup_key": alert.dedup_key,
            "details": dict(alert.details),
            "raised_at": stored.raised_at.isoformat(),
            "resolved_at": stored.resolved_at and stored.resolved_at.isoformat(),
            "title": content.title,
            "text": content.text,
            "runbook": runbook_entry(alert.kind),
        },
    }


def runbook_entry(kind: AlertKind) -> str:
    """Where the runbook says what to do."""
    return f"docs/runbook.md#{kind.value}"
