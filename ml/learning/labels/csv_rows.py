"""Read and check a CSV file of labels, line by line."""

import codecs
import csv
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ml.core.errors import LabelImportError
from ml.storage.labels import ROUTES

_PLACES = ("object_key", "path")
_OPTIONAL = ("category", "reviewer", "decided_at", "review_id", "route", "sampling_rate")
COLUMNS = (*_PLACES, "label", *_OPTIONAL)
_MAX_TEXT = 1024  # characters of a value; also the longest key that S3 allows
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_CLOCKS_APART = timedelta(hours=1)
_UNREADABLE = re.compile(r"[\x00\ud800-\udfff]")  # NUL, or bytes that are no text
T = TypeVar("T")
_MAX_RECORD, _MAX_RECORD_LINES = 64 * 1024, 100  # characters of a line that is continued; lines

# Bytes that are no text must spoil their own line only: `check_text` finds the surrogate.
_ERRORS = "moderation_unreadable"
codecs.register_error(_ERRORS, lambda error: ("\udc80", error.end))  # type: ignore[attr-defined]  # a UnicodeError has none


@dataclass(frozen=True)
class RowError:
    """A rejected line. `line` is where it begins, the header being 1."""

    line: int
    reason: str


@dataclass(frozen=True)
class CsvRow:
    """A valid line; exactly one of `object_key`, `path` and `content_sha256` is set.

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
    content_sha256: str | None = None


def read_rows(
    file: Path, *, classes: Collection[str], now: datetime
) -> Iterator[CsvRow | RowError]:
    """Yield the lines in order; only one at a time is held in memory.

    The file's modification time dates undated lines. Labels are `classes`; no decision is later
    than `now`, but for an hour between two clocks.

    Raises:
        LabelImportError: the file as a whole: missing, no header, or an unknown column.
    """

    def begin(columns: list[str]) -> Callable[[int, dict[str, str]], CsvRow]:
        _check_columns(columns, file)
        return LabelParser(file, classes, now).line

    return read_lines(file, begin)


def read_lines(
    file: Path, begin: Callable[[list[str]], Callable[[int, dict[str, str]], T]]
) -> Iterator[T | RowError]:
    """Yield what the lines of a CSV file are parsed to, in order, or what is wrong with them.

    The file is UTF-8, or UTF-16 with a byte order mark. `begin` checks the header and returns the
    function that parses a line, given its number and its values by column.

    Raises:
        LabelImportError: the file as a whole: missing, or no header.
    """
    try:
        # A byte that is not UTF-8 must spoil its own line only: `check_text` finds the surrogate.
        with file.open(encoding=_encoding(file), errors=_ERRORS, newline="") as source:
            records = _Records(source)
            columns = records.columns = _header(records, file)
            yield from _lines(records, begin(columns))
    except OSError as error:
        raise LabelImportError(f"{file} cannot be read: {error.strerror}") from error


def _encoding(file: Path) -> str:
    with file.open("rb") as source:
        start = source.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


class _Records:
    """Records of a CSV file, each with the number of its first line.

    A quoted value may contain line breaks. A quote that is not closed spoils its own line only:
    without this, it would swallow all lines up to the next quote.
    """

    def __init__(self, source: Iterable[str]) -> None:
        self.columns: list[str] = []  # empty until the header was read
        self._source = iter(source)
        self._returned: deque[str] = deque()  # lines to be read again
        self._line = 0

    def __iter__(self) -> Iterator[tuple[int, list[str] | LabelImportError]]:
        """Number and values of each record, or what is wrong with its first line."""
        while True:
            lines: list[str] = []
            try:
                values: list[str] | LabelImportError = next(
                    csv.reader(self._take(lines), strict=True)
                )
            except StopIteration:
                return
            except csv.Error as error:
                values = LabelImportError(f"bad_line: no CSV: {error}")
            if self._is_unclosed(values, lines):
                self._returned.extendleft(reversed(lines[1:]))
                del lines[1:]
                values = LabelImportError("bad_line: no CSV: a quote is not closed")
            number, self._line = self._line + 1, self._line + len(lines)
            yield number, values

    def _take(self, lines: list[str]) -> Iterator[str]:
        """The lines of one record; `lines` gets them."""
        while sum(map(len, lines)) < _MAX_RECORD and len(lines) < _MAX_RECORD_LINES:
            line = self._returned.popleft() if self._returned else next(self._source, None)
            if line is None:
                return
            lines.append(line)
            yield line

    def _is_unclosed(self, values: list[str] | LabelImportError, lines: Sequence[str]) -> bool:
        """Whether a value contains what are lines of their own."""
        if isinstance(values, LabelImportError):
            return len(lines) > 1 or "unexpected end" in str(values)
        return any(_count_values(line) == len(self.columns) for line in lines[1:-1])


def _count_values(line: str) -> int:
    try:
        return len(next(csv.reader([line])))
    except csv.Error:
        return 0


class LabelParser:
    """Checks the values of one label, given by column; the file's time dates an undated one."""

    def __init__(self, file: Path, classes: Collection[str], now: datetime) -> None:
        self._file, self._classes = file, classes
        self._latest = now + _CLOCKS_APART

    @cached_property
    def _default(self) -> datetime:
        return datetime.fromtimestamp(self._file.stat().st_mtime, UTC)

    def line(self, number: int, fields: dict[str, str]) -> CsvRow:
        """Check one line. Raises LabelImportError with what is wrong with it."""
        # A key or a file name may begin or end with a space; nothing else means one.
        fields |= {name: text.strip() for name, text in fields.items() if name not in _PLACES}
        key, path = fields.get("object_key") or None, fields.get("path") or None
        content = fields.get("content_sha256") or None
        if [key, path, content].count(None) != 2:  # noqa: PLR2004 - one of the three
            raise LabelImportError("bad_line: name the photo by either object_key or path")
        return CsvRow(
            number=number,
            object_key=key,
            path=path,
            label=_known("unknown_class", fields["label"], self._classes),
            category=fields.get("category") or None,
            reviewer=fields.get("reviewer") or "import",
            decided_at=self._time(fields.get("decided_at", "")),
            dated=bool(fields.get("decided_at")),
            review_id=fields.get("review_id") or None,
            route=_known("bad_route", fields.get("route") or "import", ROUTES),
            sampling_rate=_rate(fields.get("sampling_rate") or "1"),
            content_sha256=content,
        )

    def _time(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text) if text else self._default
        except ValueError as error:
            raise LabelImportError(f"bad_time: {text!r} is no ISO 8601 time") from error
        if moment.tzinfo is None:
            raise LabelImportError(f"bad_time: {text!r} has no time zone: add one, such as +08:00")
        if not _EARLIEST <= moment <= self._latest:
            what = repr(text) if text else f"the file's own, {moment.isoformat()},"
            raise LabelImportError(f"bad_time: {what} is before 2000 or in the future")
        return moment


def _header(records: _Records, file: Path) -> list[str]:
    _, values = next(iter(records), (1, []))
    if isinstance(values, LabelImportError):
        raise LabelImportError(f"{file}: the header is no CSV: {values}")
    columns = [name.strip() for name in values]
    if len(set(columns)) < len(columns):
        raise LabelImportError(f"{file}: the header has a column twice")
    return columns


def _check_columns(columns: Sequence[str], file: Path) -> None:
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise LabelImportError(
            f"{file}: unknown column {', '.join(map(repr, unknown))}; "
            f"known are {', '.join(COLUMNS)}, separated by commas"
        )
    if "label" not in columns or not set(_PLACES) & set(columns):
        raise LabelImportError(f"{file}: the header needs label, and object_key or path")


def _lines(records: _Records, parse: Callable[[int, dict[str, str]], T]) -> Iterator[T | RowError]:
    for number, values in records:
        try:
            if isinstance(values, LabelImportError):
                raise values
            if values:  # else the line is blank
                yield parse(number, _by_column(records.columns, values))
        except LabelImportError as error:
            yield RowError(number, str(error))


def _by_column(columns: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    check_text(values)
    if len(values) != len(columns):
        raise LabelImportError(f"bad_line: {len(values)} values, the header has {len(columns)}")
    return dict(zip(columns, values, strict=True))


def check_text(values: Sequence[str]) -> None:
    """Raise LabelImportError if a value is too long, or no text."""
    for value in values:
        if _UNREADABLE.search(value):
            raise LabelImportError("bad_text: neither UTF-8 nor UTF-16, or a NUL character")
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
