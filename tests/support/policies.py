"""Policies for tests, written short."""

from ml.policy.policy import Policy

_TITLE = {"en": "x", "zh": "x"}


def policy(**violations: float | None) -> Policy:
    """`normal` and the named violation classes; a number is the confidence that blocks."""
    classes: dict[str, object] = {"normal": {"violation": False, "title": _TITLE}}
    for name, block in violations.items():
        action = {"action": "review"} if block is None else {"action": "block"}
        classes[name] = {"violation": True, "title": _TITLE, **action, "block_confidence": block}
    prices = {"manual_yuan_per_photo": 0.2, "machine_yuan_per_hour": 8.0}
    return Policy.model_validate({"classes": classes, "pass_confidence": 0.7, "prices": prices})
