"""Display texts of reasons, stages and names; a name without a text is shown as it is."""

from typing import TYPE_CHECKING

from moderation_ui.web.resources import Words, sentences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml.policy.schema import Policy

_OF_CLASS = ("violation", "block", "human_decision", "label_issue")


def reason_text(reason: str, words: Words, policy: "Policy") -> str:
    """`violation:weapon` as "likely Weapon", by the policy's title of the class."""
    kind, _, name = reason.partition(":")
    key = f"operations.reason_{kind}"
    if not name or key not in sentences():
        return known_or_plain(key, reason, words)
    if kind in _OF_CLASS:
        return words(key, title=class_text(name, words, policy))
    return words(key, title=known_or_plain(f"operations.screen_{name}", name, words))


def class_text(name: str, words: Words, policy: "Policy") -> str:
    """The policy's title of a class; the name itself where the policy dropped it."""
    if name not in policy.classes:
        return name
    title = policy.classes[name].title
    return title.zh if words.language == "zh" else title.en


def stage_text(stage: str, words: Words) -> str:
    """One stage of the scoring tasks."""
    return known_or_plain(f"operations.stage_{stage}", stage, words)


def known_or_plain(key: str, plain: str, words: Words) -> str:
    """The sentence of a key, or the name itself where there is none."""
    return words(key) if key in sentences() else plain


def short_name(object_key: str) -> str:
    """The last part of an object key."""
    return object_key.rstrip("/").rpartition("/")[2] or object_key


def blurred(reasons: "Iterable[str]", policy: "Policy") -> bool:
    """Whether the policy has photos with one of the reasons shown blurred."""
    names = [reason.partition(":")[2] for reason in reasons if reason.startswith(_OF_CLASS)]
    return any(policy.classes[name].blur for name in names if name in policy.classes)
