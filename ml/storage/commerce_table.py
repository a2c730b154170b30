"""The commerce table as its real columns are, or what about them is not supported, and the remedy.

A column is never guessed at: a `timestamp` without a configured zone and a number without a
configured unit are refused.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table
from sqlalchemy.types import TypeEngine

from ml.core.commerce_names import KEYS, WRITTEN, CommerceNames
from ml.core.errors import SettingsError
from ml.storage.commerce_columns import CommerceColumn, load_columns
from ml.storage.commerce_types import (
    StoredEpochTime,
    StoredLocalTime,
    StoredText,
    StoredTime,
)

PER_SECOND = {"seconds": 1, "milliseconds": 1000}
_TIMES = ("uploaded_at", "moderated_at")
# A key is compared in its own type without the length: a cast to it would cut the key off.
_KEY_TYPES = {"text": "text", "character varying": "varchar", "character": "bpchar"}
_INTEGER_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
_STATUS_TYPES = {"enum", *_KEY_TYPES, *_INTEGER_BITS}
_MAX_SECONDS = 1 << 31  # what a column of seconds must hold: until 2038


@dataclass(frozen=True)
class Problem:
    """Why the table cannot be used, and the remedy."""

    message: str
    remedy: str


def load_commerce_table(connection: Connection, names: CommerceNames) -> Table:
    """The table: keys of `.c` are ours, names in SQL are the commerce database's.

    Raises:
        SettingsError: the table, or a column, is missing or not supported; with the remedy.
    """
    columns = load_columns(connection, names)
    raise_problems(names, find_problems(names, columns))
    return commerce_table(names, columns)


def raise_problems(names: CommerceNames, problems: list[Problem]) -> None:
    """Raise a `SettingsError` that lists the problems, if there are any."""
    if problems:
        found = "\n".join(f"- {problem.message}: {problem.remedy}" for problem in problems)
        raise SettingsError(f"the commerce table {table_name(names)} cannot be used:\n{found}")


def commerce_table(names: CommerceNames, columns: dict[str, CommerceColumn]) -> Table:
    """The table of supported columns."""
    mapped = ((key, columns[getattr(names, key)]) for key in (*KEYS, *WRITTEN))
    return Table(
        names.table,
        MetaData(),
        *(Column(column.name, _type_of(key, column, names), key=key) for key, column in mapped),
        schema=names.table_schema,
    )


def _type_of(key: str, column: CommerceColumn, names: CommerceNames) -> TypeEngine[Any]:
    if key == "object_key":
        return StoredText(_KEY_TYPES[column.base_type], column.collation)
    if key not in _TIMES:
        return StoredText(column.sql_type)
    if column.base_type == "timestamp with time zone":
        return StoredTime(column.sql_type)
    if column.base_type == "timestamp without time zone":
        return StoredLocalTime(column.sql_type, str(names.timezone))
    return StoredEpochTime(column.sql_type, PER_SECOND[str(names.time_unit)])


def find_problems(names: CommerceNames, columns: dict[str, CommerceColumn]) -> list[Problem]:
    """What is missing or not supported by the catalog; empty for a usable table."""
    if not columns:
        return [
            Problem(
                f"there is no table {table_name(names)}",
                "fix MODERATION_COMMERCE__TABLE_SCHEMA and __TABLE, or the database of "
                "MODERATION_DATABASE_URL",
            )
        ]
    absent = [name for key in (*KEYS, *WRITTEN) if (name := getattr(names, key)) not in columns]
    if absent:
        return [
            Problem(
                f"{table_name(names)} has no column {', '.join(absent)}",
                "name the columns of the commerce table in MODERATION_COMMERCE__* "
                "(docs/settings.md)",
            )
        ]
    mapped = {key: columns[getattr(names, key)] for key in (*KEYS, *WRITTEN)}
    found = [
        _key_problem(mapped["object_key"]),
        _status_problem(mapped["moderation_status"], names),
    ]
    found += [_time_problem(mapped[key], names) for key in _TIMES]
    found += [_write_problem(mapped[key], names) for key in WRITTEN]
    if not mapped["moderated_at"].nullable:
        found.append(_not_nullable(mapped["moderated_at"], names))
    return [problem for problem in found if problem]


def table_name(names: CommerceNames) -> str:
    """The table with its schema."""
    return f"{names.table_schema}.{names.table}"


def _key_problem(column: CommerceColumn) -> Problem | None:
    if column.base_type not in _KEY_TYPES:
        return _unsupported(column, "text, varchar or char")
    return None if column.deterministic else _nondeterministic(column)


def _status_problem(column: CommerceColumn, names: CommerceNames) -> Problem | None:
    if column.base_type not in _STATUS_TYPES:
        return _unsupported(column, "an enum, text, varchar, char, smallint or integer")
    if column.base_type == "enum" and column.is_domain:
        return Problem(
            f"{column.name} has a domain over an enum, {column.sql_type}, which PostgreSQL cannot "
            "compare",
            "ALTER it to the enum, or name a view of the table that casts it",
        )
    if not column.deterministic:
        return _nondeterministic(column)
    settings = {
        f"MODERATION_COMMERCE__{name.upper()}": value
        for name, value in names.statuses().items()
        if not _holds(column, value)
    }
    if not settings:
        return None
    shown = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return Problem(
        f"{column.name} of type {column.sql_type} cannot hold {shown}",
        f"set these to {_possible_statuses(column)}",
    )


def _holds(column: CommerceColumn, status: str) -> bool:
    if column.base_type == "enum":
        return status in column.labels
    if bits := _INTEGER_BITS.get(column.base_type):
        half = 1 << (bits - 1)
        return (
            re.fullmatch(r"0|-?[1-9]\d{0,18}", status) is not None and -half <= int(status) < half
        )
    padded = column.base_type == "character" and status != status.rstrip(" ")
    return not padded and (column.max_length is None or len(status) <= column.max_length)


def _possible_statuses(column: CommerceColumn) -> str:
    if column.base_type == "enum":
        return f"labels of the type ({', '.join(column.labels)}), or ALTER TYPE ... ADD VALUE"
    if column.base_type in _INTEGER_BITS:
        return "the numbers that the shop uses"
    length = f" of at most {column.max_length} characters" if column.max_length else ""
    return f"values{length} without blanks at the end"


def _time_problem(column: CommerceColumn, names: CommerceNames) -> Problem | None:
    if column.base_type == "timestamp with time zone":
        return None
    if column.base_type == "timestamp without time zone":
        return None if names.timezone else _unset(column, "TIMEZONE", "zone, such as Asia/Shanghai")
    if column.base_type not in {"integer", "bigint", "numeric", "double precision"}:
        return _unsupported(column, "timestamptz, timestamp, integer, bigint, numeric or double")
    if names.time_unit is None:
        return _unset(column, "TIME_UNIT", "unit, seconds or milliseconds")
    latest = _MAX_SECONDS * PER_SECOND[names.time_unit]
    limit: Decimal | int | None = None
    if column.base_type in {"numeric", "integer"}:
        limit = column.max_number if column.base_type == "numeric" else 1 << 31
    if limit is not None and limit < latest:
        return Problem(
            f"{column.name} of type {column.sql_type} is too small for {names.time_unit} of today",
            "fix MODERATION_COMMERCE__TIME_UNIT, or make the column a bigint",
        )
    return None


def _write_problem(column: CommerceColumn, names: CommerceNames) -> Problem | None:
    if column.updatable:
        return None
    return Problem(
        f"{column.name} cannot be updated",
        f"name a table, or a view with INSTEAD OF UPDATE, in place of {table_name(names)}",
    )


def _not_nullable(column: CommerceColumn, names: CommerceNames) -> Problem:
    return Problem(
        f"{column.name} is NOT NULL, but a photo that is pending again has no time",
        f"ALTER TABLE {table_name(names)} ALTER COLUMN {column.name} DROP NOT NULL",
    )


def _unset(column: CommerceColumn, setting: str, what: str) -> Problem:
    return Problem(
        f"{column.name} of type {column.sql_type} does not say which instant it means",
        f"set MODERATION_COMMERCE__{setting} to its {what}",
    )


def _unsupported(column: CommerceColumn, supported: str) -> Problem:
    return Problem(
        f"{column.name} has the type {column.sql_type}",
        f"it must be {supported}: ALTER it, or name a view of the table that has such a column",
    )


def _nondeterministic(column: CommerceColumn) -> Problem:
    return Problem(
        f"{column.name} has the nondeterministic collation {column.collation}, by which different "
        "texts are equal",
        "give it a deterministic one, or name a view that does",
    )
