"""Run checks one after the other; none is tried whose foundations failed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import stamina

from ml.doctor.finding import Finding, State, failed, skipped
from ml.errors import ModerationError


@dataclass(frozen=True)
class Check:
    """One question to the deployment.

    Attributes:
        name: what it looks at, as the table shows it.
        run: asks; an error of ours that it lets through is a failure, too.
        needs: names of checks without which it cannot be answered.
        remedy: what to do after an error that `run` lets through.
    """

    name: str
    run: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    remedy: str = "do what the message says"


@dataclass(frozen=True)
class Examined:
    """A check's name and what it found."""

    name: str
    finding: Finding


def examine(checks: Sequence[Check]) -> Iterator[Examined]:
    """Yield each check's finding, in their order, as soon as it is there."""
    unanswered: set[str] = set()
    for check in checks:
        missing = [name for name in check.needs if name in unanswered]
        finding = skipped(f"needs {', '.join(missing)}") if missing else _ask(check)
        if finding.state is not State.OK:
            unanswered.add(check.name)
        yield Examined(check.name, finding)


def _ask(check: Check) -> Finding:
    try:
        with _one_attempt():
            return check.run()
    except ModerationError as error:
        return failed(f"{type(error).__name__}: {error}", do=check.remedy)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide what others find
        said = f"unexpected {type(error).__name__}: {error}"
        return failed(said, do="look at the message; the other checks still count")


@contextmanager
def _one_attempt() -> Iterator[None]:
    """Without the retries that a night has: the operator wants to hear of the first failure."""
    before = stamina.is_active()
    stamina.set_active(False)
    try:
        yield
    finally:
        stamina.set_active(before)
