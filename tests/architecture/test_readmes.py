"""README.md and README.zh-CN.md in step: another language, the same page."""

import re

import pytest

from ml.core.settings import ROOT
from tests.architecture.pages import blocks, commands, headings, links, read

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
_CHINESE = re.compile(r"[一-鿿]")


def _other_language(target: str) -> str:
    known = {ENGLISH: "<the other>", CHINESE: "<the other>"}
    return known.get(target, target.replace(".zh.svg", ".svg"))


def test_they_have_the_same_headings_in_the_same_order() -> None:
    assert headings(read(CHINESE)) == headings(read(ENGLISH))
    assert len(headings(read(ENGLISH))) >= 4


def test_they_have_the_same_commands_in_the_same_order() -> None:
    assert list(commands(read(CHINESE))) == list(commands(read(ENGLISH)))
    assert len(list(commands(read(ENGLISH)))) >= 8


def test_they_set_the_same_settings() -> None:
    settings = re.compile(r"^ *(MODERATION_\S+)", re.MULTILINE)
    found = [settings.findall(read(page)) for page in (ENGLISH, CHINESE)]
    assert found[0] == found[1] != []


def test_they_lead_to_the_same_places() -> None:
    found = [[_other_language(t) for t in links(read(page))] for page in (ENGLISH, CHINESE)]
    assert found[0] == found[1]
    assert found[0][0] == "<the other>"


def test_the_tree_names_the_same_folders() -> None:
    trees = [blocks(read(page), "")[-1] for page in (ENGLISH, CHINESE)]
    found = [[re.findall(r"(\w+/)", line)[:1] for line in tree] for tree in trees]
    assert found[0] == found[1]


def test_no_english_paragraph_was_left_untranslated() -> None:
    text = re.sub(r"```.*?```", "", read(CHINESE), flags=re.DOTALL)
    for paragraph in (p.strip() for p in text.split("\n\n")):
        assert not paragraph or _CHINESE.search(paragraph), paragraph


@pytest.mark.parametrize("page", [ENGLISH, CHINESE])
def test_they_name_every_dag(page: str) -> None:
    assert all(path.stem in read(page) for path in (ROOT / "dags").glob("*.py"))
