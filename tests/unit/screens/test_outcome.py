"""The outcome: three states, none of which approves."""

import json
import math

import cv2
import pytest

from ml.screens.outcome import (
    ScreenOutcome,
    State,
    failed,
    fires,
    from_json,
    not_run,
    quiet,
    unknown,
)


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


def test_what_the_database_does_not_take_is_replaced() -> None:
    evidence = {"codes": [{"payload": "a\x00b\ud800"}], "share": math.nan, "read": True}
    stored = fires("codes", "code", math.inf, evidence).to_json()
    assert stored["value"] is None
    assert stored["evidence"] == {"codes": [{"payload": "a\ufffdb?"}], "share": None, "read": True}
    json.dumps(stored, allow_nan=False).encode()


@pytest.mark.parametrize(
    "outcome",
    [
        fires("text", "contact:qq", 0.2, {"dense": False}),
        quiet("sharpness", 90.5),
        not_run("text", "budget", {"likelihood": 0.4}),
        failed("codes", ValueError("x")),
    ],
)
def test_an_outcome_comes_back_from_the_database(outcome: ScreenOutcome) -> None:
    stored = json.loads(json.dumps(outcome.to_json()))
    assert from_json(outcome.name, stored) == outcome


def test_only_what_fired_or_is_quiet_could_tell() -> None:
    assert not_run("text", "budget").fired is None
    assert not_run("text", "budget").state is State.NOT_RUN
