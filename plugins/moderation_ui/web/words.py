"""Texts of the pages in the user's language, and display names of classes and reasons."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, cast

from fastapi import Depends, Request

from ml.core.yaml_file import load_yaml
from ml.policy.schema import Policy
from moderation_ui.web.resources import ShownPolicy

LANGUAGES = ("en", "zh")
COOKIE = "moderation_language"
_FOLDER = Path(__file__).parents[1] / "locale"
_REASONS_WITH_CLASS = ("violation", "block", "human_decision", "label_issue")


def language_of(request: Request) -> str:
    """`en` or `zh`: the user's choice, else the browser's first of the two."""
    accepted = request.headers.get("accept-language", "").lower().split(",")
    wanted = [request.cookies.get(COOKIE, ""), *(part.strip()[:2] for part in accepted)]
    return next((language for language in wanted if language in LANGUAGES), "en")


class Words:
    """All texts in one language; `words("key", n=3)` fills in `{n}`.

    Raises:
        KeyError: no file has the key; the test of all pages finds it.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = {key: text[language] for key, text in load_texts().items()}

    def __call__(self, key: str, **values: object) -> str:
        """One text."""
        return self._texts[key].format(**values)

    def get(self, key: str, default: str, **values: object) -> str:
        """One text; `default` where no file has the key."""
        return self(key, **values) if key in self._texts else default

    def starting(self, *prefixes: str) -> dict[str, str]:
        """The texts whose key starts with one of the prefixes, for a page's script."""
        return {k: v for k, v in self._texts.items() if k.startswith(prefixes)}


@cache
def load_texts() -> Mapping[str, Mapping[str, str]]:
    """Key -> language -> text, of all files under `locale/`."""
    return {
        f"{path.stem}.{key}": text
        for path in sorted(_FOLDER.glob("*.yaml"))
        for key, text in cast("dict[str, dict[str, str]]", load_yaml(path)).items()
    }


def short_name(object_key: str) -> str:
    """The last part of an object key."""
    return object_key.rstrip("/").rpartition("/")[2] or object_key


@dataclass(frozen=True)
class Labels:
    """Display names in one language; a name without a text is shown as it is."""

    words: Words
    policy: Policy

    def class_title(self, name: str) -> str:
        """The policy's title of a class."""
        if name not in self.policy.classes:
            return name
        title: str = getattr(self.policy.classes[name].title, self.words.language)
        return title

    def reason(self, reason: str) -> str:
        """`violation:weapon` as "likely Weapon"."""
        kind, _, name = reason.partition(":")
        if kind in _REASONS_WITH_CLASS:
            title = self.class_title(name)
        else:
            part = "common.contact" if kind == "contact" else "operations.screen"
            title = self.words.get(f"{part}_{name}", name)
            if name.startswith("signal:"):
                title = self.words("operations.screen_signal", title=name.partition(":")[2])
        return self.words.get(f"operations.reason_{kind}", reason, title=title)

    def is_blurred(self, reasons: Iterable[str]) -> bool:
        """Whether the policy blurs photos with one of the reasons; all photos without a policy."""
        classes = self.policy.classes
        raised = self.policy.screens.signal_reasons
        names = {
            raised.get(r, r.partition(":")[2])
            for r in reasons
            if r in raised or r.startswith(_REASONS_WITH_CLASS)
        }
        return not classes or any(classes[name].blur for name in names & classes.keys())


def _page_labels(request: Request, policy: ShownPolicy) -> Labels:
    return Labels(Words(language_of(request)), policy)


PageLabels = Annotated[Labels, Depends(_page_labels)]
