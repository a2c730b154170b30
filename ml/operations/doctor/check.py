"""A check of the deployment, its result, and the order in which checks run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import stamina

from ml.core.errors import ModerationError
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
    """One line for the operator: the result of a check, and the remedy where there is one."""

    state: CheckStatus
    message: str
    remedy: str = ""


def ok(message: str) -> Finding:
    """The check passed."""
    return Finding(CheckStatus.OK, message)


def warned(message: str, *, remedy: str) -> Finding:
    """The check passed, but something should be better; `remedy` says how."""
    return Finding(CheckStatus.OK, message, remedy)


def failed(message: object, *, remedy: str) -> Finding:
    """The check failed; `remedy` says how to fix it."""
    return Finding(CheckStatus.FAILED, str(message), remedy)


def skipped(reason: str) -> Finding:
    """The check does not apply here, or cannot run yet."""
    return Finding(CheckStatus.SKIPPED, reason)


Remedies = Mapping[type[Exception], str]


@dataclass(frozen=True)
class Check:
    """One check; `needs` are the names of checks that must have passed before.

    An exception that `run` raises is a failure, too; the first remedy of its type is shown.
    """

    name: str
    run: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    remedies: Remedies = field(default_factory=dict)


Outcome = tuple[str, Finding]  # the name of a check and its finding


def run_checks(checks: Sequence[Check]) -> Iterator[Outcome]:
    """Yield the finding of each check, in order, as soon as it is known."""
    not_passed: set[str] = set()
    for check in checks:
        missing = [name for name in check.needs if name in not_passed]
        finding = skipped(f"needs {', '.join(missing)}") if missing else _run_check(check)
        if finding.state is not CheckStatus.OK:
            not_passed.add(check.name)
        yield check.name, finding


def _run_check(check: Check) -> Finding:
    try:
        with _without_retries():
            return check.run()
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
        for kind, remedy in check.remedies.items():
            if isinstance(error, kind):
                return failed(error, remedy=remedy)
        message = f"{type(error).__name__}: {error}"
        if isinstance(error, ModerationError):
            return failed(message, remedy="do what the message says")
        remedy = "look at the message; the other checks still count"
        return failed(f"unexpected {message}", remedy=remedy)


@contextmanager
def _without_retries() -> Iterator[None]:
    """Switch off the retries of a nightly run: the operator wants to see the first failure."""
    before = stamina.is_active()
    stamina.set_active(False)
    try:
        yield
    finally:
        stamina.set_active(before)
