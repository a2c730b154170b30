"""Decisions as a table, by pandas: one CSV file, or a folder of Parquet files."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import UTC
from pathlib import Path

import pandas as pd

from ml.learning.labels.exported_label import Pseudonyms
from ml.storage.labelled_contents import Decision

CSV, PARQUET = "labels.csv", "labels.parquet"
_DROPPED = ("label_id", "purged")  # internal; `photo` says what has become of the photo
_COLUMNS = [f.name for f in fields(Decision) if f.name not in _DROPPED] + ["photo"]


# What begins a formula in a spreadsheet: OWASP, CSV injection.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _defuse(text: str) -> str:
    """A text that a spreadsheet does not run; others stay as they are."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


class TableWriter:
    """Writes pages of decisions, of which one is in memory at a time; `close` ends the table."""

    def __init__(self, folder: Path, pseudonyms: Pseudonyms, *, parquet: bool) -> None:
        self._folder, self._pseudonyms, self._parquet = folder, pseudonyms, parquet
        self._part = folder / f"{CSV}.part"
        self._parts = 0

    def write(self, page: Iterable[Sequence[Decision]]) -> None:
        """Add the decisions of a page."""
        rows = [self._row(decision) for decisions in page for decision in decisions]
        table = pd.DataFrame(rows, columns=_COLUMNS)
        if self._parquet:
            path = self._folder / PARQUET / f"part-{self._parts:05}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            # All-empty columns would otherwise get another type in each file.
            texts = {"category": "string", "object_key": "string"}
            sides = {"width": "Int32", "height": "Int32"}
            table.astype(texts | sides).to_parquet(path, index=False, engine="pyarrow")
        else:
            first = self._parts == 0
            table["decided_at"] = table["decided_at"].map(lambda moment: moment.isoformat())
            for name in ("category", "object_key", "reviewer"):
                table[name] = table[name].map(_defuse, na_action="ignore")
            table.astype({"width": "Int32", "height": "Int32"}).to_csv(
                self._part, mode="w" if first else "a", header=first, index=False
            )
        self._parts += 1

    def close(self) -> str:
        """Put the table in place; its name. Files of an attempt with more pages are deleted."""
        if not self._parts:
            self.write([])  # a table without rows has its columns, too
        if not self._parquet:
            self._part.replace(self._folder / CSV)
            return CSV
        for path in (self._folder / PARQUET).glob("part-*.parquet"):
            if int(path.stem.removeprefix("part-")) >= self._parts:
                path.unlink()
        return PARQUET

    def _row(self, decision: Decision) -> dict[str, object]:
        state = "never_archived" if decision.object_key is None else "archived"
        row = asdict(decision) | {
            "decided_at": decision.decided_at.astimezone(UTC),
            "reviewer": self._pseudonyms.replace(decision.reviewer),
            "photo": "purged" if decision.purged else state,
        }
        return {name: value for name, value in row.items() if name not in _DROPPED}
