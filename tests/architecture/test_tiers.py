"""CONTRIBUTING.md lists every file of slow tests, and what holds the same in `make test`."""

import re

from ml.core.settings import ROOT
from tests.architecture.pages import read

_MARKS = re.compile(r"^ *(@|pytestmark = .*)?pytest\.mark\.slow", re.MULTILINE)
SLOW = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "tests").rglob("test_*.py")
    if _MARKS.search(path.read_text(encoding="utf-8"))
)


def _rows() -> list[list[str]]:
    part = read("CONTRIBUTING.md").split("### What `make test-all` runs")[1].split("###")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `tests/")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_file_of_slow_tests_is_listed() -> None:
    listed = " ".join(row[0] for row in _rows())
    assert SLOW
    assert all(path.name in listed for path in SLOW)


def test_what_holds_the_same_is_there_and_is_not_slow_itself() -> None:
    named = [name for row in _rows() for name in re.findall(r"`(tests/[^`]+)`", row[-1])]
    assert named
    for name in named:
        assert (ROOT / name).exists(), name
        assert (ROOT / name).relative_to(ROOT) not in SLOW, name
