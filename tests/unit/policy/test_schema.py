from pathlib import Path
from typing import Any

import pytest
import yaml

from ml.core.errors import PolicyError
from ml.core.settings import ROOT
from ml.policy.schema import Action, Policy, load_policy

AD = {"violation": True, "action": "review", "title": {"en": "Ad", "zh": "广告"}}
SHIPPED = ROOT / "config" / "policy.yaml"


@pytest.fixture
def raw() -> dict[str, Any]:
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def refused(raw: object, tmp_path: Path, words: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(PolicyError, match=words):
        load_policy(path)


def version(raw: dict[str, Any]) -> str:
    return Policy.model_validate(raw).version


def test_shipped_policy_has_the_two_class_rule() -> None:
    policy = load_policy(SHIPPED)
    assert list(policy.classes) == ["normal", "violate"]
    assert policy.violations == {"violate"}
    assert policy.classes["violate"].action is Action.REVIEW
    assert policy.pass_confidence == 0.7
    assert 0.1 <= policy.prices.manual_yuan_per_photo <= 0.3


@pytest.mark.parametrize("place", ["top", "class", "prices"])
def test_unknown_policy_key_is_rejected_with_the_fix(
    place: str, raw: dict[str, Any], tmp_path: Path
) -> None:
    inside = {"top": raw, "class": raw["classes"]["violate"], "prices": raw["prices"]}[place]
    inside["pass_confidance"] = 0.7
    refused(raw, tmp_path, r"pass_confidance.*remove it or fix its spelling")


@pytest.mark.parametrize("value", [0.49, 1.01, -0.1, float("nan"), "high"])
def test_invalid_pass_confidence_is_rejected(
    value: object, raw: dict[str, Any], tmp_path: Path
) -> None:
    raw["pass_confidence"] = value
    refused(raw, tmp_path, "- pass_confidence: ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"action": "block"}, "block_confidence"),
        ({"action": "review", "block_confidence": 0.9}, "block_confidence"),
        ({"action": "block", "block_confidence": 0.5}, "block_confidence"),
        ({"action": "block", "block_confidence": 1.1}, "block_confidence"),
        ({"action": None}, "action: review"),
        ({"action": "delete"}, "classes.violate.action"),
        ({"violation": False}, "remove it"),
    ],
)
def test_inconsistent_class_is_rejected(
    changes: dict[str, object], words: str, raw: dict[str, Any], tmp_path: Path
) -> None:
    raw["classes"]["violate"] |= changes
    refused(raw, tmp_path, words)


def test_policy_without_a_normal_class_is_rejected(raw: dict[str, Any], tmp_path: Path) -> None:
    del raw["classes"]["normal"]
    refused(raw, tmp_path, "at least one class that is a violation")


def test_invalid_class_name_is_rejected(raw: dict[str, Any], tmp_path: Path) -> None:
    raw["classes"]["../violate"] = raw["classes"].pop("violate")
    refused(raw, tmp_path, "classes")


@pytest.mark.parametrize(
    "data", [b"classes: [", b"\xff\xfe\xfa", b"", b"- a list", b"a: !!python/object:os.x {}"]
)
def test_load_policy_rejects_a_file_that_is_no_policy(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(data)
    with pytest.raises(PolicyError, match=r"policy\.yaml"):
        load_policy(path)


def test_load_policy_rejects_a_missing_file_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="MODERATION_POLICY_FILE"):
        load_policy(tmp_path / "gone.yaml")


def test_version_ignores_prices_titles_and_class_order(raw: dict[str, Any]) -> None:
    before = version(raw)
    raw["prices"]["manual_yuan_per_photo"] = 0.3
    raw["classes"]["normal"]["title"]["en"] = "Fine"
    raw["classes"] = dict(reversed(raw["classes"].items()))
    assert version(raw) == before


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ((), {"pass_confidence": 0.71}),
        (("classes", "violate"), {"action": "block", "block_confidence": 0.9}),
        (("classes",), {"ad": AD}),
    ],
)
def test_version_changes_with_thresholds_actions_and_classes(
    place: tuple[str, ...], change: dict[str, Any], raw: dict[str, Any]
) -> None:
    before = version(raw)
    inside = raw
    for name in place:
        inside = inside[name]
    inside |= change
    assert version(raw) != before


def test_version_changes_with_the_block_confidence(raw: dict[str, Any]) -> None:
    raw["classes"]["violate"] |= {"action": "block", "block_confidence": 0.9}
    before = version(raw)
    raw["classes"]["violate"]["block_confidence"] = 0.95
    assert version(raw) != before


def test_priority_changes_weights_and_not_the_version(raw: dict[str, Any]) -> None:
    before = version(raw)
    raw["classes"]["violate"]["priority"] = 7
    policy = Policy.model_validate(raw)
    assert policy.version == before
    assert policy.priority_weights == {"violate": 8.0}


def test_priority_of_a_normal_class_is_rejected(raw: dict[str, Any], tmp_path: Path) -> None:
    raw["classes"]["normal"]["priority"] = 1
    refused(raw, tmp_path, "takes no `priority`: remove it")


def test_version_without_screens_equals_that_of_earlier_releases(
    raw: dict[str, Any],
) -> None:
    del raw["screens"]
    assert version(raw) == "e3ae2824173a5022b1cb2b55b5dd03523863182db26655c2365bf728fb16027d"
