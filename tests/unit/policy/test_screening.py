"""Section `screens`: what is refused, and what makes a new version."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml.errors import PolicyError
from ml.images.fingerprint import NEAR_DUPLICATE_DISTANCE
from ml.policy.policy import Policy, load_policy
from ml.policy.screening import Codes, Duplicates, Screens, Sharpness, TextScreen
from ml.screens.codes import SecondPass
from ml.screens.sharpness import CUT_OFF
from ml.screens.text import TextRules
from ml.settings import ROOT

SHIPPED = ROOT / "config" / "policy.yaml"


@pytest.fixture
def raw() -> dict[str, Any]:
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def version(raw: dict[str, Any]) -> str:
    return Policy.model_validate(raw).version


def test_the_shipped_policy_runs_every_screen_and_lets_nothing_unknown_pass() -> None:
    screens = dict(load_policy(SHIPPED).screens.enabled())
    assert list(screens) == ["duplicates", "codes", "text", "sharpness"]
    assert not any(screen.unknown_may_pass for screen in screens.values())


def test_what_is_left_out_does_not_run_and_the_version_is_as_it_was(raw: dict[str, Any]) -> None:
    raw["screens"] = {}
    off = version(raw)
    del raw["screens"]
    assert version(raw) == off
    assert Screens().picture_side is None
    assert list(Screens().enabled()) == []


@pytest.mark.parametrize(
    ("place", "change", "words"),
    [
        ((), {"sharpnes": {}}, r"screens.sharpnes.*remove it or mend its spelling"),
        (("codes",), {"allow": []}, r"screens.codes.allow.*remove it or mend its spelling"),
        (("sharpness",), {"cut_off": -1}, "screens.sharpness.cut_off"),
        (("sharpness",), {"action": "pass"}, "screens.sharpness.action"),
        (("codes",), {"allowed": ["https://("]}, "screens.codes.allowed"),
        (("codes",), {"second_pass": "often"}, "screens.codes.second_pass"),
        (("text",), {"budget_share": 1.1}, "screens.text.budget_share"),
        (("duplicates",), {"distance": 32}, "screens.duplicates.distance"),
        ((), {"long_side": 100}, "screens.long_side"),
    ],
)
def test_an_unknown_key_or_an_impossible_value_is_refused(
    place: tuple[str, ...], change: dict[str, Any], words: str, raw: dict[str, Any], tmp_path: Path
) -> None:
    inside = raw["screens"]
    for name in place:
        inside = inside[name]
    inside |= change
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(PolicyError, match=words):
        load_policy(path)


@pytest.mark.parametrize(
    ("screen", "change"),
    [
        ("sharpness", {"cut_off": 50}),
        ("sharpness", {"enabled": False}),
        ("codes", {"allowed": ["https://shop\\.example/.*"]}),
        ("text", {"not_run_may_pass": False}),
        ("duplicates", {"action": "evidence"}),
    ],
)
def test_a_changed_screen_is_another_version(
    screen: str, change: dict[str, Any], raw: dict[str, Any]
) -> None:
    before = version(raw)
    raw["screens"][screen] |= change
    assert version(raw) != before


def test_the_settings_of_a_screen_that_is_off_are_no_part_of_the_version(
    raw: dict[str, Any],
) -> None:
    raw["screens"]["sharpness"]["enabled"] = False
    before = version(raw)
    raw["screens"]["sharpness"]["cut_off"] = 50
    assert version(raw) == before


def test_the_policy_survives_the_database(raw: dict[str, Any]) -> None:
    raw["screens"]["codes"]["allowed"] = ["https://shop\\.example/.*"]
    policy = Policy.model_validate(raw)
    again = Policy.model_validate(json.loads(json.dumps(policy.model_dump(mode="json"))))
    assert again == policy
    assert again.version == policy.version


def test_defaults_are_those_that_were_measured() -> None:
    rules, text = TextRules(), TextScreen()
    assert Sharpness().cut_off == CUT_OFF
    assert SecondPass(Codes().second_pass) is SecondPass.HINTED
    assert Duplicates().distance == NEAR_DUPLICATE_DISTANCE
    for name in ("gate", "dominated_share", "dominated_characters", "most_lines"):
        assert getattr(text, name) == getattr(rules, name)


@pytest.mark.parametrize(
    ("name", "looks"), [("codes", True), ("text", True), ("duplicates", False)]
)
def test_photos_are_decoded_large_only_for_screens_that_look_at_pixels(
    name: str, *, looks: bool
) -> None:
    screens = Screens.model_validate({name: {"enabled": True}})
    assert (screens.picture_side == screens.long_side) is looks
