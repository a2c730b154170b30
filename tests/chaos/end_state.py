"""The end state of a run, row by row, without what two equal runs may differ in.

That is: times of the server's clock, numbers of identity columns (a transaction that was rolled
back leaves a gap), and measured seconds. A reference to a numbered row is replaced by that row.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select, text

from ml.storage.object_store import ObjectStore
from ml.storage.schema import appeal, human_label, metadata
from tests.support.servers import Shop

# Times that a run is given, in place of those at which it happened to do something.
_GIVEN_TIMES = {"uploaded_at", "window_start", "window_end", "as_of", "cutoff", "month"}
# Measured, wherever it stands in a row or in a report.
_MEASURED = {
    "candidate_ms", "champion_ms", "fetch_failures", "images_per_second", "runtime_versions",
    "seconds", "yuan",
}  # fmt: skip
# The numbers of a task and an appeal; and of the promotion in the id of a repeated run.
_NUMBERED = re.compile(r"\b(review_task:|appeal:|again__\w+?__)\d+")
_MILLISECONDS = re.compile(r"\d+\.\d+ ms")
# Files of a version, a training and a report that have measured values.
_MEASURED_JSON = ("/metrics.json", "/result.json", "/report.json")
# A photo's place in its batch changes its scores by some 3e-8; a failed photo moves the others.
_TOLERANCE = 1e-6
# What is in the bucket, too, and in a process's own folder only as a copy.
_COPIES = ("labelled/", "models/")
# References that are no foreign keys.
_REFERENCES = {(appeal, "superseded_label_id"): human_label}

State = dict[str, Counter[str]]
_Rows = dict[Table, list[dict[str, Any]]]


@dataclass(frozen=True)
class Difference:
    """Rows of a table that are in one end state only."""

    table: str
    missing: list[str]
    unexpected: list[str]

    def __str__(self) -> str:
        examples = [f"- {_shortened(row)}" for row in self.missing[:2]]
        examples += [f"+ {_shortened(row)}" for row in self.unexpected[:2]]
        counts = f"{len(self.missing)} rows missing, {len(self.unexpected)} unexpected"
        return "\n  ".join([f"{self.table}: {counts}", *examples])


def _shortened(line: str) -> str:
    return ", ".join(f"{name}={str(value)[:70]}" for name, value in json.loads(line).items())


def load_state(shop: Shop) -> State:
    """Return the rows of schema `moderation`, of the commerce table, and the model objects."""
    with shop.connections.engine.connect() as connection:
        rows = {table: _load(connection, table) for table in metadata.sorted_tables}
        commerce = connection.execute(text("select * from commerce.review_image")).mappings()
        shown = [_without_noise(dict(row)) for row in commerce]
    state = {table.name: Counter(map(_line, _canonical(rows, table))) for table in rows}
    state["commerce"] = Counter(map(_line, shown))
    state["model bucket"] = Counter(_objects(shop.connections.models))
    state["local files"] = Counter(_local_files(shop.settings.data_dir))
    return state


def differences(expected: State, found: State) -> list[Difference]:
    """Return the tables that differ."""
    tables = sorted(expected.keys() | found.keys())
    pairs = [(name, expected.get(name, Counter()), found.get(name, Counter())) for name in tables]
    compared = [_compare(name, a, b) for name, a, b in pairs]
    return [difference for difference in compared if difference.missing or difference.unexpected]


def _compare(name: str, expected: Counter[str], found: Counter[str]) -> Difference:
    missing = []
    unexpected = sorted((found - expected).elements())
    for row in sorted((expected - found).elements()):
        close = (other for other in unexpected if _is_close(json.loads(row), json.loads(other)))
        if (match := next(close, None)) is None:
            missing.append(row)
        else:
            unexpected.remove(match)
    return Difference(name, missing, unexpected)


def _is_close(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_is_close(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_is_close, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= _TOLERANCE
    return a == b


def _load(connection: Connection, table: Table) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def _canonical(rows: _Rows, table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table; references to numbered rows are replaced by their rows."""
    numbered = _number_column(table)
    references = _references(table)
    found = {column: _by_number(rows, target) for column, target in references.items()}
    for row in rows[table]:
        kept = {name: value for name, value in row.items() if name != numbered}
        for column, by_number in found.items():
            if row[column] is not None:
                kept[column] = by_number.get(row[column], "a row that is not there")
        yield _without_noise(kept)


def _by_number(rows: _Rows, table: Table) -> dict[int, str]:
    number = _number_column(table)
    lines = map(_line, _canonical(rows, table))
    return {row[number]: line for row, line in zip(rows[table], lines, strict=True)}


def _references(table: Table) -> dict[str, Table]:
    keys = {
        column.name: key.column.table
        for column in table.columns
        for key in column.foreign_keys
        if _number_column(key.column.table) == key.column.name
    }
    return keys | {name: target for (of, name), target in _REFERENCES.items() if of is table}


def _number_column(table: Table) -> str | None:
    return next((column.name for column in table.columns if column.identity is not None), None)


def _without_noise(row: dict[str, Any]) -> dict[str, Any]:
    if row.get("name") == "latency":  # a gate, whose reason has milliseconds
        row = row | {"reason": ""}
    return {name: _plain(name, value) for name, value in row.items() if name not in _MEASURED}


def _plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat() if name in _GIVEN_TIMES else "a time"
    if isinstance(value, dict):
        return _without_noise(value)
    if isinstance(value, list):
        return [_plain(name, item) for item in value]
    return _NUMBERED.sub(r"\1*", value) if isinstance(value, str) else value


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, default=str, ensure_ascii=False)


def _objects(store: ObjectStore) -> Iterator[str]:
    for found in chain.from_iterable(store.list_pages("")):
        if found.key.endswith(_MEASURED_JSON):
            content: object = _without_noise(json.loads(store.get(found.key)))
        elif found.key.endswith(".html"):
            page = _MILLISECONDS.sub("", store.get(found.key).decode())
            content = hashlib.sha256(page.encode()).hexdigest()
        else:
            content = found.etag
        yield _line({"key": found.key, "content": content})


def _local_files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(_COPIES):
            yield _line({"name": name})
