"""What one screen says about one photo. No outcome approves: there is no value that means so."""

from dataclasses import dataclass, field

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class ScreenOutcome:
    """The typed outcome of a screen; build it by `fires`, `quiet` or `unknown`.

    Attributes:
        name: of the screen, such as `sharpness`.
        fired: True sends the photo to a person; False has nothing to say, which is no approval;
            None: the screen could not tell.
        reason: machine-readable, such as `contact:phone`; given where `fired` is not False.
        value: the measured figure, where the screen has one.
        evidence: what a reviewer and a replay need; ready for a JSON column.
    """

    name: str
    fired: bool | None
    reason: str | None
    value: float | None
    evidence: dict[str, Json] = field(default_factory=dict)


def fires(
    name: str, reason: str, value: float | None = None, evidence: dict[str, Json] | None = None
) -> ScreenOutcome:
    """The photo must be seen by a person."""
    return ScreenOutcome(name, True, reason, value, evidence or {})


def quiet(
    name: str, value: float | None = None, evidence: dict[str, Json] | None = None
) -> ScreenOutcome:
    """The screen found nothing to send to a person; its evidence may still help one."""
    return ScreenOutcome(name, False, None, value, evidence or {})


def unknown(name: str, reason: str, evidence: dict[str, Json] | None = None) -> ScreenOutcome:
    """The screen failed or had no time: it knows nothing of this photo."""
    return ScreenOutcome(name, None, reason, None, evidence or {})


def failed(name: str, error: Exception) -> ScreenOutcome:
    """The screen's library refused the photo; one line of its message is kept."""
    message = (str(error).splitlines() or [""])[0][:200]
    return unknown(name, "failed", {"error": f"{type(error).__name__}: {message}"})
