"""Words that must not come back as names: each has a standard term (docs/concepts.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.core.settings import ROOT
from ml.storage.schema import metadata

FOLDERS = ("ml", "plugins", "dags", "deploy", "devtools")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

# As the whole name: a function word or a participle says nothing of its own.
WHOLE = {
    *("about", "anew", "answered", "asked", "away", "beside", "given", "gone", "held", "judged_by"),
    *("mine", "most", "past", "said", "standing", "taken", "told", "upto", "whose"),
}
# As a part of a name, with the term that stands for it.
PARTS = {
    "doubt": "label issue",
    "doubts": "label issues",
    "fewest": "min",
    "gone": "missing",
    "judge": "score (a model), decide (a reviewer)",
    "judging": "scoring",
    "known_bad": "blocklist",
    "lesson": "training sample",
    "lessons": "training samples",
    "longest": "max",
    "mend": "fix",
    "night": "nightly run",
    "nights": "nightly runs",
    "purse": "budget",
    "random_audit": "spot check",
    "start_weights": "pretrained weights",
    "tallest": "max",
    "told": "notified",
    "unaware": "blinded",
    "unmoved": "unchanged",
}


def names_in(source: str) -> Iterator[str]:
    """Functions, classes, arguments, variables and fields that the source defines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def odd_words(name: str) -> list[str]:
    """What in the name has a standard term; CamelCase counts as words, too."""
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")
    if name.isupper():
        words = name.lower().strip("_")
    return [w for w in PARTS if f"_{w}_" in f"_{words}_"] + [w for w in WHOLE if w == words]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_standard_terms(path: Path) -> None:
    names = {path.stem, *names_in(path.read_text(encoding="utf-8"))}
    assert {name: found for name in names if (found := odd_words(name))} == {}


def test_tables_and_columns_are_standard_terms() -> None:
    names = {column.name for table in metadata.tables.values() for column in table.columns}
    names |= {table.name for table in metadata.tables.values()}
    assert {name: found for name in names if (found := odd_words(name))} == {}


@pytest.mark.parametrize("name", ["by_night", "NightCharts", "told", "_gone", "DOUBTS", "judge"])
def test_the_check_sees_an_odd_name(name: str) -> None:
    assert odd_words(name)


@pytest.mark.parametrize("name", ["nightly_run", "held_out", "answered_at", "NightlyRun", "words"])
def test_the_check_passes_a_standard_name(name: str) -> None:
    assert odd_words(name) == []
