"""Read and check a CSV file of labels, line by line."""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml.core.errors import LabelImportError
from ml.storage.labels import ROUTES

_PLACES = ("object_key", "path")
_OPTIONAL = ("category", "reviewer", "decided_at", "review_id", "route", "sampling_rate")
COLUMNS = (*_PLACES, "label", *_OPTIONAL)
_MAX_TEXT = 1024  # characters of a value; also the longest key that S3 allows
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_CLOCKS_APART = timedelta(hours=1)
_UNREADABLE = re.compile(r"[\x00\ud800-\udfff]")  # NUL, or a byte that is not UTF-8


@dataclass(frozen=True)
class RowError:
    """A rejected line. `line` is where it begins, the header being 1."""

    line: int
    reason: str


@dataclass(frozen=True)
class CsvRow:
    """A valid line; exactly one of `object_key` and `path` is set.

    `dated` is False where the line has no time and `decided_at` is the file's.
    """

    number: int
    object_key: str | None
    path: str | None
    label: str
    category: str | None
    reviewer: str
    decided_at: datetime
    dated: bool
    review_id: str | None
    route: str
    sampling_rate: float


def read_rows(
    file: Path, *, classes: Collection[str], now: datetime
) -> Iterator[CsvRow | RowError]:
    """Yield the lines in order; only one at a time is held in memory.

    The file is UTF-8, with or without a byte order mark; its modification time dates undated lines.
    Labels are `classes`; no decision is later than `now`, but for an hour between two clocks.

    Raises:
        LabelImportError: the file as a whole: missing, no header, or an unknown column.
    """
    try:
        # A byte that is not UTF-8 must spoil its own line only: `_check_text` finds the surrogate.
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as source:
            reader = csv.reader(source, strict=True)
            columns = _header(reader, file)
            default = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            yield from _lines(reader, _Parser(columns, classes, default, now + _CLOCKS_APART))
    except OSError as error:
        raise LabelImportError(f"{file} cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class _Parser:
    columns: list[str]
    classes: Collection[str]
    default: datetime
    latest: datetime

    def line(self, number: int, values: Sequence[str]) -> CsvRow:
        """Check one line. Raises LabelImportError with what is wrong with it."""
        _check_text(values)
        if len(values) != len(self.columns):
            raise LabelImportError(
                f"bad_line: {len(values)} values, the header has {len(self.columns)}"
            )
        fields = dict(zip(self.columns, values, strict=True))
        # A key or a file name may begin or end with a space; nothing else means one.
        fields |= {name: text.strip() for name, text in fields.items() if name not in _PLACES}
        key, path = fields.get("object_key") or None, fields.get("path") or None
        if (key is None) == (path is None):
            raise LabelImportError("bad_line: name the photo by either object_key or path")
        return CsvRow(
            number=number,
            object_key=key,
            path=path,
            label=_known("unknown_class", fields["label"], self.classes),
            category=fields.get("category") or None,
            reviewer=fields.get("reviewer") or "import",
            decided_at=self._time(fields.get("decided_at", "")),
            dated=bool(fields.get("decided_at")),
            review_id=fields.get("review_id") or None,
            route=_known("bad_route", fields.get("route") or "import", ROUTES),
            sampling_rate=_rate(fields.get("sampling_rate") or "1"),
        )

    def _time(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text) if text else self.default
        except ValueError as error:
            raise LabelImportError(f"bad_time: {text!r} is no ISO 8601 time") from error
        if moment.tzinfo is None:
            raise LabelImportError(f"bad_time: {text!r} has no time zone: add one, such as +08:00")
        if not _EARLIEST <= moment <= self.latest:
            what = repr(text) if text else f"the file's own, {moment.isoformat()},"
            raise LabelImportError(f"bad_time: {what} is before 2000 or in the future")
        return moment


def _header(reader: Iterator[list[str]], file: Path) -> list[str]:
    try:
        columns = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise LabelImportError(f"{file}: the header is no CSV: {error}") from error
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise LabelImportError(
            f"{file}: unknown column {', '.join(map(repr, unknown))}; "
            f"known are {', '.join(COLUMNS)}, separated by commas"
        )
    if len(set(columns)) < len(columns):
        raise LabelImportError(f"{file}: the header has a column twice")
    if "label" not in columns or not set(_PLACES) & set(columns):
        raise LabelImportError(f"{file}: the header needs label, and object_key or path")
    return columns


def _lines(reader: Iterator[list[str]], parser: _Parser) -> Iterator[CsvRow | RowError]:
    before = 1
    while True:
        try:
            values = next(reader)
            if values:  # else the line is blank
                yield parser.line(before + 1, values)
        except StopIteration:
            return
        except csv.Error as error:
            yield RowError(before + 1, f"bad_line: no CSV: {error}")
        except LabelImportError as error:
            yield RowError(before + 1, str(error))
        before = reader.line_num  # type: ignore[attr-defined]  # the type of csv.reader has no name


def _check_text(values: Sequence[str]) -> None:
    for value in values:
        if _UNREADABLE.search(value):
            raise LabelImportError("bad_text: not UTF-8, or a NUL character")
        if len(value) > _MAX_TEXT:
            raise LabelImportError(f"bad_text: {len(value)} characters, at most {_MAX_TEXT}")


def _known(problem: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise LabelImportError(f"{problem}: {value!r}; known are {', '.join(known)}")
    return value


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError as error:
        raise LabelImportError(f"bad_rate: {text!r} is no number") from error
    if not 0.0 < rate <= 1.0:  # false for nan, too
        raise LabelImportError(f"bad_rate: {text!r} is not over 0 and at most 1")
    return rate
