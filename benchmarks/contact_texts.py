"""`python -m benchmarks.contact_texts`: what the rules find in two tables of texts, by kind.

The tables are `contact_texts.csv` (kind, text, expected) and `honest_texts.csv` (kind, text) of a
folder; a text holds the lines of one photo, separated by a backslash and an n.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.screens_figures import share
from ml.core.settings import ROOT
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
DOUBTFUL = "doubtful_"  # kinds that only a person can tell, such as a maker's own web address
_WIDTH = 800

console = Console(width=None if Console().is_terminal else 100)


@dataclass(frozen=True)
class Text:
    """A text of a table; `expected` has the reasons of which one must be found, none if honest."""

    kind: str
    text: str
    expected: frozenset[str]

    @cached_property
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
    kinds = [*(contact.kind.value for contact in contacts), *(o.kind.value for o in overlays)]
    return frozenset(kinds)


def _line(number: int, text: str) -> TextLine:
    top, right = 40 * number, 200
    return TextLine(text, 0.9, ((0, top), (right, top), (right, top + 30), (0, top + 30)))


def main(
    folder: Annotated[
        Path, typer.Option(help="Folder of contact_texts.csv and honest_texts.csv.")
    ] = TABLES,
    list_wrong: Annotated[
        bool, typer.Option(help="List each missed text and false alarm.")
    ] = False,
) -> None:
    """Print recall and false alarms by kind, with exact 95 % intervals."""
    contacts, honest = load_tables(folder)
    doubtful = [text for text in honest if text.kind.startswith(DOUBTFUL)]
    sure = [text for text in honest if not text.kind.startswith(DOUBTFUL)]
    rates = {"of the expected kind": is_right, "raised for any reason": is_raised}
    console.print(_table("Contact details", contacts, rates))
    console.print(_table("Honest texts", sure, {"raised": is_raised}))
    console.print(_table("Doubtful texts", doubtful, {"raised": is_raised}))
    if list_wrong:
        wrong = [text for text in contacts if not is_right(text)]
        for text in wrong + [text for text in sure if is_raised(text)]:
            console.print(f"{text.kind}: {text.text} {sorted(text.found)}", markup=False)


def load_tables(folder: Path) -> tuple[list[Text], list[Text]]:
    """The contact details and the honest texts of a folder."""
    return load_texts(folder / "contact_texts.csv"), load_texts(folder / "honest_texts.csv")


def is_right(text: Text) -> bool:
    """Whether one of the expected reasons is found."""
    return bool(text.found & text.expected)


def is_raised(text: Text) -> bool:
    """Whether anything is found, which sends the photo to review."""
    return bool(text.found)


def _table(title: str, texts: Sequence[Text], rates: Mapping[str, Callable[[Text], bool]]) -> Table:
    table = Table("kind", *rates, title=title)
    by_kind: defaultdict[str, list[Text]] = defaultdict(list)
    for text in texts:
        by_kind[text.kind].append(text)
    for kind, group in [*sorted(by_kind.items()), ("all", list(texts))]:
        table.add_row(kind, *(str(share(group, hit)) for hit in rates.values()))
    return table


if __name__ == "__main__":
    typer.run(main)
