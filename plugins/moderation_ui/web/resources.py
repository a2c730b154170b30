"""What a request uses: connections, policy, language."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import yaml
from fastapi import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ml.core.settings import Settings
    from ml.policy.schema import Policy
    from ml.storage.connections import Connections


LANGUAGES = ("en", "zh")
COOKIE = "moderation_language"
_FOLDER = Path(__file__).parents[1] / "locale"


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


T = TypeVar("T")
Args = TypeVarTuple("Args")


@dataclass(frozen=True)
class Resources:
    """Settings and open connections."""

    settings: "Settings"
    connections: "Connections"

    @property
    def policy(self) -> "Policy":
        """The policy in force; read again when its file was changed."""
        path = self.settings.policy_file
        return _policy(path, path.stat().st_mtime_ns)

    def transaction(self, work: "Callable[[Connection, *Args], T]", *args: *Args) -> T:
        """Run `work(connection, *args)` as `ml.storage.database.in_transaction` does."""
        from ml.storage.database import in_transaction

        return in_transaction(self.connections.engine, work, *args)


@cache
def resources() -> Resources:
    """The one set of this process; a dependency of routes, so that tests can replace it."""
    from ml.core.settings import load_settings
    from ml.storage.connections import open_connections

    settings = load_settings()
    return Resources(settings, open_connections(settings))


@cache
def _policy(path: Path, changed_at: int) -> "Policy":
    del changed_at  # part of the cache's key only
    from ml.policy.schema import load_policy

    return load_policy(path)
