"""The result of a check, and what checks have access to."""

from dataclasses import dataclass
from enum import StrEnum

from ml.core.settings import Settings
from ml.storage.connections import Connections


@dataclass(frozen=True)
class Deployment:
    """Settings and open connections."""

    settings: Settings
    connections: Connections


class CheckStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line for the operator: the result of a check, and the remedy of a failed one."""

    state: CheckStatus
    message: str
    remedy: str = ""


def ok(message: str) -> Finding:
    """The check passed."""
    return Finding(CheckStatus.OK, message)


def failed(message: object, *, remedy: str) -> Finding:
    """The check failed; `remedy` says how to fix it."""
    return Finding(CheckStatus.FAILED, str(message), remedy)


def skipped(reason: str) -> Finding:
    """The check does not apply here, or cannot run yet."""
    return Finding(CheckStatus.SKIPPED, reason)
