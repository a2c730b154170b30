"""docs/walkthrough.md names existing files, each once, and stays short."""

import re

import pytest

from ml.core.settings import ROOT
from tests.architecture.pages import read

_, NIGHTLY, LEARNING = re.split(r"^## .*$", read("docs/walkthrough.md"), flags=re.MULTILINE)


def _files(part: str) -> list[str]:
    return re.findall(r"^\d+\. `([^`]+)`", part, re.MULTILINE)


@pytest.mark.parametrize(("part", "max_files"), [(NIGHTLY, 35), (LEARNING, 25)])
def test_path_of_a_photo_is_short_and_names_existing_files(part: str, max_files: int) -> None:
    files = _files(part)
    assert 0 < len(files) <= max_files
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_each_file_is_named_once() -> None:
    files = _files(NIGHTLY) + _files(LEARNING)
    assert len(set(files)) == len(files)


def test_questions_of_contributing_lead_to_existing_files() -> None:
    part = read("CONTRIBUTING.md").split("## Where is ...?")[1].split("\n## ")[0]
    files = re.findall(r"^\| the .* \| `([^`]+)` \|$", part, re.MULTILINE)
    assert len(files) == 10
    assert [file for file in files if not (ROOT / file).is_file()] == []
