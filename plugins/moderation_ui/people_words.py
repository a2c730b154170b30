"""An entry of the audit log in words: what was done, to what, and what was said with it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from moderation_ui.language import Words, sentences
from moderation_ui.operations_words import class_text, known_or_plain

if TYPE_CHECKING:
    from ml.policy.policy import Policy
    from ml.review.audit_log import Entry

_HASHES = ("previous",)
_HASH_SHOWN = 12


@dataclass(frozen=True)
class Told:
    """`model_hash` is the version that it was done to, if it was one; `said` are (name, text)."""

    what: str
    target: str
    model_hash: str | None
    said: tuple[tuple[str, str], ...]


def told(entry: "Entry", words: Words, policy: "Policy") -> Told:
    """One entry; what the locale does not know stays as it was written."""
    kind, _, name = entry.target.partition(":")
    is_model = kind == "model_version" and bool(name)
    key = f"people.target_{kind}"
    short = name[:_HASH_SHOWN] if is_model else name
    return Told(
        what=known_or_plain(f"people.did_{entry.what}", entry.what, words),
        target=words(key, name=short) if key in sentences() else entry.target,
        model_hash=name if is_model else None,
        said=tuple(
            (known_or_plain(f"people.said_{part}", part, words), _text(part, value, words, policy))
            for part, value in sorted(entry.detail.items())
            if value not in (None, "", [])
        ),
    )


def _text(part: str, value: object, words: Words, policy: "Policy") -> str:
    if part == "label":
        return class_text(str(value), words, policy)
    return str(value)[:_HASH_SHOWN] if part in _HASHES else str(value)
