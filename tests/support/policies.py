"""Short policies for tests."""

from pathlib import Path

import yaml

from ml.core.settings import ROOT
from ml.policy.schema import Policy

_TITLE = {"en": "x", "zh": "x"}


def policy(**violations: float | None) -> Policy:
    """Return a policy of `normal` and violation classes; a number is the `block_confidence`."""
    classes: dict[str, object] = {"normal": {"violation": False, "title": _TITLE}}
    for name, block in violations.items():
        action = {"action": "review"} if block is None else {"action": "block"}
        classes[name] = {"violation": True, "title": _TITLE, **action, "block_confidence": block}
    prices = {"manual_yuan_per_photo": 0.2, "machine_yuan_per_hour": 8.0}
    return Policy.model_validate({"classes": classes, "pass_confidence": 0.7, "prices": prices})


def without_screens(folder: Path) -> Path:
    """Write the default policy without screens and spot check, which have their own tests."""
    raw = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text(encoding="utf-8"))
    return write_policy(folder, raw, screens={}, spot_check={}, active_learning={})


def with_screens(folder: Path, *, spot_check: dict[str, float], **screens: object) -> Path:
    """Write the default policy with only these screens; values are their settings."""
    raw = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text(encoding="utf-8"))
    on = {name: {"enabled": True, **dict(keys)} for name, keys in screens.items()}  # type: ignore[call-overload]  # any mapping
    return write_policy(folder, raw, screens=on, spot_check=spot_check)


def write_policy(folder: Path, raw: dict[str, object], **sections: object) -> Path:
    """Write a policy file with some sections replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({**raw, **sections}, sort_keys=False), encoding="utf-8")
    return path
