"""The outcome: three states, none of which approves."""

import cv2
import pytest

from ml.screens.outcome import failed, fires, quiet, unknown


def test_the_three_states() -> None:
    assert fires("text", "contact:qq", 0.2).fired is True
    assert quiet("text").fired is False
    assert unknown("text", "budget").fired is None


def test_nothing_quiet_has_a_reason_and_all_else_has_one() -> None:
    assert quiet("text", 0.1).reason is None
    assert fires("text", "contact:qq").reason == "contact:qq"
    assert unknown("text", "budget").reason == "budget"


@pytest.mark.parametrize("message", ["", "one\ntwo", "x" * 999])
def test_a_failure_keeps_one_short_line(message: str) -> None:
    outcome = failed("codes", cv2.error(message))
    assert outcome.fired is None
    assert outcome.evidence["error"].startswith("error:")
    assert len(outcome.evidence["error"]) < 220
    assert "two" not in outcome.evidence["error"]
