"""The open alerts as the operations page shows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.storage.alerts import StoredAlert


@dataclass(frozen=True)
class ShownAlert:
    """One alert in one language; `told`: its receiver has it."""

    title: str
    text: str
    raised_at: datetime
    told: bool
    runbook: str


def shown_alerts(stored: "Iterable[StoredAlert]", language: str) -> list[ShownAlert]:
    """Each in the words that its receiver reads."""
    from ml.alerting.content import runbook_entry
    from ml.alerting.texts import message

    found = []
    for row in stored:
        said = message(row.alert.kind, row.alert.details)
        told, entry = row.told_at is not None, runbook_entry(row.alert.kind)
        shown = ShownAlert(said.title[language], said.text[language], row.raised_at, told, entry)
        found.append(shown)
    return found
