"""How good the signals are, by what reviewers decided: precision, and leaks that they missed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ml.core.types import ScreenStatus
from ml.core.window import Window
from ml.policy.schema import Policy
from ml.policy.spot_check import Rate, SpotCheckCounts, estimate_rate
from ml.storage.read.signal_results import SignalAnswers, count_raised, load_signal_answers


@dataclass(frozen=True)
class SignalFigures:
    """One signal in a window; rates (0..1) with exact 95 % intervals.

    `raised` photos were raised by it. Of the `decided` ones among them, reviewers gave `confirmed`
    the class that it raises: `precision` is their share. Of the `spot_checked` photos, which passed
    and which it did not raise, `missed` are violations: `leak` is their share.
    """

    screen: str
    raised: int
    decided: int
    confirmed: int
    precision: Rate
    spot_checked: int
    missed: int
    leak: Rate


def report_signals(
    connection: Connection, window: Window, *, policy: Policy
) -> list[SignalFigures]:
    """The figures of every signal of the policy, and of others with results in the window."""
    answers, raised = load_signal_answers(connection, window), count_raised(connection, window)
    screens = {*policy.screens.enabled_signals, *raised, *(a.screen for a in answers)}
    return [
        _figures(screen, raised.get(screen, 0), [a for a in answers if a.screen == screen], policy)
        for screen in sorted(screens)
    ]


def _figures(
    screen: str, raised: int, answers: Sequence[SignalAnswers], policy: Policy
) -> SignalFigures:
    fired = [a for a in answers if a.state == ScreenStatus.FIRED]
    checked = [a for a in answers if a.state == ScreenStatus.CLEAR and a.passed]
    decided, spot_checked = _count(fired), _count(checked)
    confirmed = _count([a for a in fired if a.label == a.raised_class])
    missed = _count([a for a in checked if a.label in policy.violations])
    precision, leak = _rate(confirmed, decided), _rate(missed, spot_checked)
    return SignalFigures(screen, raised, decided, confirmed, precision, spot_checked, missed, leak)


def _count(answers: Sequence[SignalAnswers]) -> int:
    return sum(answer.photos for answer in answers)


def _rate(found: int, photos: int) -> Rate:
    return estimate_rate(SpotCheckCounts("", "", "", photos, photos, found))
