"""One thing that is wrong, under a name that stays the same while it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml.policy.alerting import AlertKind


@dataclass(frozen=True)
class Alert:
    """`kind` and `fact` name it: seen again under the same name, it is no new alert.

    `details` are the numbers and names of its text; plain JSON values.
    """

    kind: AlertKind
    fact: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Kind and fact in one word."""
        return f"{self.kind.value}:{self.fact}"
