"""English or Chinese: by the person's choice, else by what the browser asks for."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml
from fastapi import Request

LANGUAGES = ("en", "zh")
COOKIE = "moderation_language"
_FOLDER = Path(__file__).parent / "locale"


def language_of(request: Request) -> str:
    """`en` or `zh`."""
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    for wanted in request.headers.get("accept-language", "").lower().split(","):
        start = wanted.strip()[:2]
        if start in LANGUAGES:
            return start
    return "en"


class Words:
    """All sentences in one language; `words("key", n=3)` fills in `{n}`.

    A key that no file has is an error in the page, which the test of all pages finds.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._sentences = {key: both[language] for key, both in sentences().items()}

    def __call__(self, key: str, **values: object) -> str:
        """One sentence."""
        sentence = self._sentences[key]
        return sentence.format(**values) if values else sentence

    def starting(self, *prefixes: str) -> dict[str, str]:
        """The sentences whose key starts with one of the prefixes, for a page's script."""
        return {k: v for k, v in self._sentences.items() if k.startswith(prefixes)}


@cache
def sentences() -> Mapping[str, Mapping[str, str]]:
    """Key -> language -> sentence, of all files under `locale/`."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        part = yaml.safe_load(path.read_text(encoding="utf-8"))
        found |= {f"{path.stem}.{key}": both for key, both in part.items()}
    return found
