"""Policy section `screens`: validation and version."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml.core.errors import PolicyError
from ml.core.settings import ROOT
from ml.policy.schema import Policy, load_policy
from ml.policy.screens import Codes, Duplicates, Screens, Sharpness
from ml.vision.images.fingerprint import NEAR_DUPLICATE_DISTANCE
from ml.vision.screens.barcodes import SecondPass
from ml.vision.screens.sharpness import THRESHOLD

SHIPPED = ROOT / "config" / "policy.yaml"


def raising(violation: str, threshold: float) -> dict[str, Any]:
    """A signal that raises one output."""
    return {"model": "a" * 64, "raises": {"nsfw": {"class": violation, "threshold": threshold}}}


SIGNAL = raising("violate", 0.8)


@pytest.fixture
def raw() -> dict[str, Any]:
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def version(raw: dict[str, Any]) -> str:
    return Policy.model_validate(raw).version


def test_shipped_policy_enables_every_screen_and_passes_no_failure() -> None:
    screens = dict(load_policy(SHIPPED).screens.enabled())
    assert list(screens) == ["duplicates", "codes", "text", "sharpness"]
    assert not any(screen.allow_when_failed for screen in screens.values())


def test_policy_without_screens_runs_none_and_has_the_same_version(raw: dict[str, Any]) -> None:
    raw["screens"] = {}
    off = version(raw)
    del raw["screens"]
    assert version(raw) == off
    assert Screens().picture_side is None
    assert list(Screens().enabled()) == []


@pytest.mark.parametrize(
    ("place", "change", "words"),
    [
        ((), {"sharpnes": {}}, r"screens.sharpnes.*remove it or fix its spelling"),
        (("codes",), {"allow": []}, r"screens.codes.allow.*remove it or fix its spelling"),
        (("sharpness",), {"threshold": -1}, "screens.sharpness.threshold"),
        (("sharpness",), {"action": "pass"}, "screens.sharpness.action"),
        (("codes",), {"allowed": ["https://("]}, "screens.codes.allowed"),
        (("codes",), {"second_pass": "often"}, "screens.codes.second_pass"),
        (("text",), {"budget_share": 1.1}, "screens.text.budget_share"),
        (("text",), {"phone_regions": ["CN", "UK"]}, "UK"),
        (("text",), {"overlays": ["advert"]}, "screens.text.overlays"),
        (("duplicates",), {"distance": 32}, "screens.duplicates.distance"),
        ((), {"long_side": 100}, "screens.long_side"),
        ((), {"signals": {"Nudity": SIGNAL}}, "screens.signals"),
        ((), {"signals": {f"s{n}": raising("violate", 0.8) for n in range(9)}}, "screens.signals"),
        ((), {"signals": {"nudity": SIGNAL | {"model": "open_nsfw"}}}, "signals.nudity.model"),
        ((), {"signals": {"nudity": SIGNAL | {"raises": {}}}}, "signals.nudity.raises"),
        ((), {"signals": {"nudity": SIGNAL | {"action": "pass"}}}, "signals.nudity.action"),
        ((), {"signals": {"nudity": raising("violate", 0.0)}}, "threshold"),
        ((), {"signals": {"nudity": raising("normal", 0.5)}}, "no violation class is called norm"),
        ((), {"signals": {"nudity": raising("nudity", 0.5)}}, "no violation class is called nudi"),
    ],
)
def test_unknown_key_or_invalid_value_of_screens_is_rejected(
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
        ("sharpness", {"threshold": 50}),
        ("sharpness", {"enabled": False}),
        ("codes", {"allowed": ["https://shop\\.example/.*"]}),
        ("text", {"allow_when_skipped": False}),
        ("duplicates", {"action": "evidence"}),
    ],
)
def test_version_changes_with_an_enabled_screen(
    screen: str, change: dict[str, Any], raw: dict[str, Any]
) -> None:
    before = version(raw)
    raw["screens"][screen] |= change
    assert version(raw) != before


def test_version_ignores_settings_of_a_disabled_screen(
    raw: dict[str, Any],
) -> None:
    raw["screens"]["sharpness"]["enabled"] = False
    before = version(raw)
    raw["screens"]["sharpness"]["threshold"] = 50
    assert version(raw) == before


@pytest.mark.parametrize(
    "change",
    [{"model": "b" * 64}, {"action": "evidence"}, {"allow_when_failed": True},
     raising("violate", 0.9)],
)  # fmt: skip
def test_version_changes_with_an_enabled_signal_alone(
    change: dict[str, Any], raw: dict[str, Any]
) -> None:
    without = version(raw)
    raw["screens"]["signals"] = {"nudity": SIGNAL}
    before = version(raw)
    raw["screens"]["signals"] = {"nudity": SIGNAL | change}
    assert len({without, before, version(raw)}) == 3
    raw["screens"]["signals"] = {"nudity": SIGNAL | change | {"enabled": False}}
    assert version(raw) == without


def test_signal_is_a_screen_of_its_own_name_whose_reasons_name_a_class(raw: dict[str, Any]) -> None:
    raw["screens"]["signals"] = {"nudity": SIGNAL}
    screens = Policy.model_validate(raw).screens
    assert [n for n, _ in screens.enabled()][:2] == ["duplicates", "signal:nudity"]
    assert screens.signal_reasons == {"signal:nudity:nsfw": "violate"}


def test_policy_survives_a_json_round_trip(raw: dict[str, Any]) -> None:
    raw["screens"]["signals"] = {"nudity": SIGNAL}
    raw["screens"]["codes"]["allowed"] = ["https://shop\\.example/.*"]
    policy = Policy.model_validate(raw)
    again = Policy.model_validate(json.loads(json.dumps(policy.model_dump(mode="json"))))
    assert again == policy
    assert again.version == policy.version


def test_screen_defaults_equal_the_measured_constants() -> None:
    assert Sharpness().threshold == THRESHOLD
    assert SecondPass(Codes().second_pass) is SecondPass.ON_DETECTION
    assert Duplicates().distance == NEAR_DUPLICATE_DISTANCE


@pytest.mark.parametrize(
    ("name", "looks"), [("codes", True), ("text", True), ("duplicates", False)]
)
def test_picture_side_is_set_only_for_screens_that_need_pixels(name: str, *, looks: bool) -> None:
    screens = Screens.model_validate({name: {"enabled": True}})
    assert (screens.picture_side == screens.long_side) is looks


def test_signals_need_pixels() -> None:
    screens = Screens.model_validate({"signals": {"nudity": SIGNAL}})
    assert screens.picture_side == screens.long_side
