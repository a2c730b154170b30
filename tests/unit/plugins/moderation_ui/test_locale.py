"""The texts of the pages: one broken file would break all pages."""

import re
import string
from pathlib import Path

import pytest
import yaml

from ml.core.settings import ROOT
from ml.storage.labels import ROUTES

UI = ROOT / "plugins" / "moderation_ui"
FILES = sorted((UI / "locale").glob("*.yaml"))
KEYS = {
    f"{path.stem}.{key}"
    for path in FILES
    for key in yaml.safe_load(path.read_text(encoding="utf-8"))
}


def _fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_text_exists_in_both_languages_with_the_same_placeholders(path: Path) -> None:
    for key, both in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        assert isinstance(key, str), f"quote {key!r}"
        assert both.keys() == {"en", "zh"}, key
        assert all(isinstance(text, str) and text.strip() for text in both.values()), key
        assert _fields(both["en"]) == _fields(both["zh"]), key


@pytest.mark.parametrize(
    "path", [*UI.glob("templates/*.j2"), *UI.glob("static/*.js")], ids=lambda p: p.name
)
def test_every_text_that_a_page_uses_exists(path: Path) -> None:
    asked = re.findall(r"words\(\s*[\"']([\w.]+)[\"']\s*[,)]", path.read_text(encoding="utf-8"))
    assert {key for key in asked if key not in KEYS} == set()


def test_every_route_of_a_label_has_a_text() -> None:
    assert {f"operations.route_{route}" for route in ROUTES} <= KEYS
