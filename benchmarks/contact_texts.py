"""`python -m benchmarks.contact_texts`: what the rules find in two tables of texts, by kind.

The tables are `contact_texts.csv` (kind, text, expected) and `honest_texts.csv` (kind, text) of a
folder; a text holds the lines of one photo, separated by a backslash and an n.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ml.core.settings import ROOT
from benchmarks.screens_figures import Share
from ml.policy.screens import TextScreen
from ml.vision.screens.text.contacts import find_contacts
from ml.vision.screens.text.lines import TextLine
from ml.vision.screens.text.overlays import find_overlays

TABLES = ROOT / "tests" / "data"
# Kinds of the table that a reason of the screen covers under another name.
_SAME = {
    "short_link": "url",
    "link_collector": "url",
    "messenger": "facebook",
    "douyin": "tiktok",
    "group_call": "promotion",
}
_WIDTH = 800


@dataclass(frozen=True)
class Text:
    """A text of a table; `expected` has the reasons of which one must be found, none if honest."""

    kind: str
    text: str
    expected: frozenset[str]

    @property
    def found(self) -> frozenset[str]:
        """What the rules find in it."""
        return find_reasons(self.text)


def load_texts(path: Path) -> list[Text]:
    """The texts of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Text(row["kind"], row["text"], frozenset(_reasons(row.get("expected") or "")))
            for row in csv.DictReader(file)
        ]


def _reasons(expected: str) -> Iterator[str]:
    return (_SAME.get(kind, kind) for kind in expected.split("|") if kind)


def find_reasons(text: str) -> frozenset[str]:
    """The kinds of contact details and overlays in a text; of lines too short for a banner."""
    lines = text.split("\\n")
    contacts = find_contacts(lines, TextScreen().phone_regions)
    overlays = find_overlays([_line(n, line) for n, line in enumerate(lines)], _WIDTH)
    return frozenset(finding.kind.value for finding in (*contacts, *overlays))


def _line(number: int, text: str) -> TextLine:
    top, right = 40 * number, 200
    return TextLine(text, 0.9, ((0, top), (right, top), (right, top + 30), (0, top + 30)))
