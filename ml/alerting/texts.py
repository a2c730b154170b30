"""The words of an alert in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from ml.policy.alerting import AlertKind

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Message:
    """Title and text by language."""

    title: dict[str, str]
    text: dict[str, str]


def message(
    kind: AlertKind, details: Mapping[str, Any], *, resolved_at: datetime | None = None
) -> Message:
    """What is said of an alert, or, with the time of its end, of its end."""
    words = _words()[kind.value]
    title = dict(words["title"])
    text = {name: words["text"][name].format(**details) for name in LANGUAGES}
    if resolved_at is None:
        return Message(title, text)
    over, end = _words()["over"], resolved_at.isoformat(sep=" ", timespec="minutes")
    return Message(
        {name: over["title"][name].format(title=title[name]) for name in LANGUAGES},
        {name: over["text"][name].format(text=text[name], resolved_at=end) for name in LANGUAGES},
    )


@cache
def _words() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        files("ml.alerting").joinpath("texts.yaml").read_text("utf-8")
    )
    return found
