"""Screen results: states, reasons and JSON."""

import json
import math

import cv2
import pytest

from ml.core.types import (
    ScreenResult,
    ScreenStatus,
    negative,
    not_run,
    positive,
    screen_failed,
    screen_result_from_json,
    unknown,
)


def test_fired_is_true_false_or_none() -> None:
    assert positive("text", "contact:qq", 0.2).fired is True
    assert negative("text").fired is False
    assert unknown("text", "budget").fired is None


def test_only_a_clear_result_has_no_reason() -> None:
    assert negative("text", 0.1).reason is None
    assert positive("text", "contact:qq").reason == "contact:qq"
    assert unknown("text", "budget").reason == "budget"


@pytest.mark.parametrize("message", ["", "one\ntwo", "x" * 999])
def test_screen_failed_keeps_one_short_line_of_the_message(message: str) -> None:
    outcome = screen_failed("codes", cv2.error(message))
    assert outcome.fired is None
    assert outcome.evidence["error"].startswith("error:")
    assert len(outcome.evidence["error"]) < 220
    assert "two" not in outcome.evidence["error"]


def test_to_json_replaces_values_that_postgresql_rejects() -> None:
    evidence = {"codes": [{"payload": "a\x00b\ud800"}], "share": math.nan, "read": True}
    stored = positive("codes", "code", math.inf, evidence).to_json()
    assert stored["value"] is None
    assert stored["evidence"] == {"codes": [{"payload": "a\ufffdb?"}], "share": None, "read": True}
    json.dumps(stored, allow_nan=False).encode()


@pytest.mark.parametrize(
    "outcome",
    [
        positive("text", "contact:qq", 0.2, {"dense": False}),
        negative("sharpness", 90.5),
        not_run("text", "budget", {"likelihood": 0.4}),
        screen_failed("codes", ValueError("x")),
    ],
)
def test_screen_result_survives_a_json_round_trip(outcome: ScreenResult) -> None:
    stored = json.loads(json.dumps(outcome.to_json()))
    assert screen_result_from_json(outcome.name, stored) == outcome


def test_not_run_result_has_no_fired_value() -> None:
    assert not_run("text", "budget").fired is None
    assert not_run("text", "budget").state is ScreenStatus.NOT_RUN
