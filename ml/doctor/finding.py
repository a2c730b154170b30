"""What a check found: fit, failed with what to do, or not asked."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line for the operator: what was found, and what to do where that is not well."""

    state: State
    said: str
    do: str = ""


def ok(said: str) -> Finding:
    """All is well."""
    return Finding(State.OK, said)


def failed(said: object, *, do: str) -> Finding:
    """Something is wrong; `do` says how to put it right."""
    return Finding(State.FAILED, str(said), do)


def skipped(why: str) -> Finding:
    """Not asked, since it does not apply here or cannot be answered yet."""
    return Finding(State.SKIPPED, why)
