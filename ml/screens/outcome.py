"""What one screen says about one photo. No outcome approves: there is no value that means so."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class State(StrEnum):
    """How far a screen came."""

    FIRED = "fired"  # it has something to say
    QUIET = "quiet"  # it looked and has nothing to say, which is no approval
    UNKNOWN = "unknown"  # it failed, and knows nothing of this photo
    NOT_RUN = "not_run"  # it was not asked, for want of time


@dataclass(frozen=True)
class ScreenOutcome:
    """The typed outcome of a screen; build it by `fires`, `quiet`, `not_run` or `failed`.

    Attributes:
        name: of the screen, such as `sharpness`.
        state: see there.
        reason: machine-readable, such as `contact:phone`; given where the state is not `quiet`.
        value: the measured figure, where the screen has one.
        evidence: what a reviewer and a replay need; ready for a JSON column.
    """

    name: str
    state: State
    reason: str | None
    value: float | None
    evidence: dict[str, Json] = field(default_factory=dict)

    @property
    def fired(self) -> bool | None:
        """True sends the photo to a person; None: the screen could not tell."""
        return {State.FIRED: True, State.QUIET: False}.get(self.state)

    def to_json(self) -> dict[str, Json]:
        """For `moderation.verdict`: what PostgreSQL's JSON does not take is replaced."""
        value = self.value if self.value is None or math.isfinite(self.value) else None
        return {
            "state": self.state.value,
            "fired": self.fired,
            "reason": self.reason,
            "value": value,
            "evidence": _storable(self.evidence),
        }


def from_json(name: str, stored: dict[str, Any]) -> ScreenOutcome:
    """The outcome that `to_json` wrote."""
    return ScreenOutcome(
        name, State(stored["state"]), stored["reason"], stored["value"], stored["evidence"]
    )


def fires(
    name: str, reason: str, value: float | None = None, evidence: dict[str, Json] | None = None
) -> ScreenOutcome:
    """The photo must be seen by a person."""
    return ScreenOutcome(name, State.FIRED, reason, value, evidence or {})


def quiet(
    name: str, value: float | None = None, evidence: dict[str, Json] | None = None
) -> ScreenOutcome:
    """The screen found nothing to send to a person; its evidence may still help one."""
    return ScreenOutcome(name, State.QUIET, None, value, evidence or {})


def not_run(name: str, reason: str, evidence: dict[str, Json] | None = None) -> ScreenOutcome:
    """The screen had no time for this photo, and knows nothing of it."""
    return ScreenOutcome(name, State.NOT_RUN, reason, None, evidence or {})


def unknown(name: str, reason: str, evidence: dict[str, Json] | None = None) -> ScreenOutcome:
    """The screen could not tell."""
    return ScreenOutcome(name, State.UNKNOWN, reason, None, evidence or {})


def failed(name: str, error: Exception) -> ScreenOutcome:
    """The screen's library refused the photo; one line of its message is kept."""
    message = (str(error).splitlines() or [""])[0][:200]
    return unknown(name, "failed", {"error": f"{type(error).__name__}: {message}"})


def _storable(value: Json) -> Json:
    """Without NUL, halves of surrogate pairs and numbers that are none."""
    if isinstance(value, dict):
        return {key: _storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
