"""Import hashes of an outside list into the blocklist, from a CSV file."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine

from ml.core.errors import LabelImportError
from ml.learning.labels.csv_rows import RowError, read_lines
from ml.storage import activity_log, blocklist_hashes
from ml.storage.blocklist_hashes import DIGITS
from ml.storage.database import in_transaction
from ml.vision.images.fingerprint import MIN_QUALITY

_SOURCE = re.compile(r"[\w.-]{1,64}")  # is part of a reason
_MAX_QUALITY = 100
_LineHashes = list[tuple[str, str]]  # kind and hash


@dataclass
class HashImport:
    """Hashes by result; of `low_quality` are PDQ hashes that match unrelated photos."""

    added: int = 0
    known: int = 0
    low_quality: int = 0
    rejected: list[RowError] = field(default_factory=list)


def import_hashes(
    file: Path, *, source: str, added_by: str, engine: Engine, dry_run: bool = False
) -> HashImport:
    """Add the hashes of every valid line to the list `source`; the result has the other lines.

    The file is CSV with a header; its columns `pdq` (with `quality`, if there is one), `md5` and
    `sha256` count, and a line may leave some of them empty. A dry run adds nothing.

    Raises:
        LabelImportError: the file as a whole, or the name of the list; nothing was added.
    """
    if not _SOURCE.fullmatch(source):
        raise LabelImportError(
            f"{source!r} cannot name a list: give at most 64 letters, digits, '.', '_' or '-'"
        )
    result = HashImport()
    hashes = set(_read(file, result))
    write = partial(_write, hashes=hashes, source=source, added_by=added_by, dry_run=dry_run)
    result.added = in_transaction(engine, write)
    result.known = len(hashes) - result.added
    return result


def _read(file: Path, result: HashImport) -> Iterator[tuple[str, str]]:
    for line in read_lines(file, partial(_begin, file)):
        if isinstance(line, RowError):
            result.rejected.append(line)
            continue
        hashes, is_low = line
        result.low_quality += is_low
        yield from hashes


def _begin(
    file: Path, columns: Sequence[str]
) -> Callable[[int, dict[str, str]], tuple[_LineHashes, bool]]:
    if not DIGITS.keys() & set(columns):
        raise LabelImportError(f"{file}: the header needs at least one of {', '.join(DIGITS)}")
    return _parse


def _parse(_number: int, fields: dict[str, str]) -> tuple[_LineHashes, bool]:
    """The hashes of a line, and whether its PDQ hash is of too low a quality to be among them."""
    values = {kind: fields.get(kind, "").strip().lower() for kind in DIGITS}
    found = {kind: value for kind, value in values.items() if value}
    if not found:
        raise LabelImportError("bad_hash: the line has none")
    for kind, value in found.items():
        if not re.fullmatch(f"[0-9a-f]{{{DIGITS[kind]}}}", value):
            raise LabelImportError(f"bad_hash: {kind} has {DIGITS[kind]} hexadecimal digits")
    is_low = "pdq" in found and _quality(fields.get("quality", "").strip()) <= MIN_QUALITY
    return [pair for pair in found.items() if not is_low or pair[0] != "pdq"], is_low


def _quality(text: str) -> int:
    if not text:
        return _MAX_QUALITY
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > _MAX_QUALITY:
        raise LabelImportError(f"bad_quality: {text!r} is no whole number from 0 to 100")
    return int(text)


def _write(
    connection: Connection,
    *,
    hashes: set[tuple[str, str]],
    source: str,
    added_by: str,
    dry_run: bool,
) -> int:
    with connection.begin_nested() as savepoint:
        added = blocklist_hashes.add_hashes(connection, hashes, source=source, added_by=added_by)
        if dry_run:
            savepoint.rollback()
        elif added:
            _record(connection, "import_hashes", added_by, source, added)
    return added


def remove_hashes(engine: Engine, source: str, *, removed_by: str) -> int:
    """Remove a list; returns how many hashes it had."""

    def remove(connection: Connection) -> int:
        removed = blocklist_hashes.remove_source(connection, source)
        if removed:
            _record(connection, "remove_hashes", removed_by, source, removed)
        return removed

    return in_transaction(engine, remove)


def _record(connection: Connection, action: str, actor: str, source: str, hashes: int) -> None:
    target = f"blocklist:{source}"
    activity_log.record(connection, actor=actor, action=action, target=target, hashes=hashes)
