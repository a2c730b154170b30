"""Policies for tests, written short."""

from pathlib import Path

import yaml

from ml.policy.policy import Policy
from ml.settings import ROOT

_TITLE = {"en": "x", "zh": "x"}


def policy(**violations: float | None) -> Policy:
    """`normal` and the named violation classes; a number is the confidence that blocks."""
    classes: dict[str, object] = {"normal": {"violation": False, "title": _TITLE}}
    for name, block in violations.items():
        action = {"action": "review"} if block is None else {"action": "block"}
        classes[name] = {"violation": True, "title": _TITLE, **action, "block_confidence": block}
    prices = {"manual_yuan_per_photo": 0.2, "machine_yuan_per_hour": 8.0}
    return Policy.model_validate({"classes": classes, "pass_confidence": 0.7, "prices": prices})


def without_screens(folder: Path) -> Path:
    """The shipped policy as a file, its screens and random audit off: they have their own tests."""
    raw = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text(encoding="utf-8"))
    return write_policy(folder, raw, screens={}, random_audit={})


def with_screens(folder: Path, *, random_audit: dict[str, float], **screens: object) -> Path:
    """The shipped policy as a file, with these screens alone: their keys beside `enabled`."""
    raw = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text(encoding="utf-8"))
    on = {name: {"enabled": True, **dict(keys)} for name, keys in screens.items()}  # type: ignore[call-overload]  # any mapping
    return write_policy(folder, raw, screens=on, random_audit=random_audit)


def write_policy(folder: Path, raw: dict[str, object], **sections: object) -> Path:
    """A policy file with some sections put in place of those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({**raw, **sections}, sort_keys=False), encoding="utf-8")
    return path
