"""Rows of the database as the types of this package, and inserts that keep existing rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Executable, FromClause, Table
from sqlalchemy.dialects.postgresql import insert

T = TypeVar("T")


def columns_of(source: FromClause, row_type: type[Any]) -> list[ColumnElement[Any]]:
    """The columns of a table that have the names of a dataclass's fields."""
    return [source.c[field.name] for field in fields(row_type)]


def load_rows(
    connection: Connection, query: Executable, row_type: Callable[..., T], **values: object
) -> list[T]:
    """All rows of a query whose columns have the names of the type's fields."""
    return [row_type(**row) for row in connection.execute(query, values).mappings()]


def load_row(
    connection: Connection, query: Executable, row_type: Callable[..., T], **values: object
) -> T | None:
    """The first row of such a query; None where it has no row."""
    row = connection.execute(query, values).mappings().first()
    return None if row is None else row_type(**row)


def load_value(
    connection: Connection,
    query: Executable,
    of_type: type[T],  # noqa: ARG001 - for the type checker
    **values: object,
) -> T | None:
    """The first value of the first row; None where there is no row."""
    value: T | None = connection.execute(query, values).scalar()
    return value


def load_dict(connection: Connection, query: Executable, **values: object) -> dict[Any, Any]:
    """The first column of a query as keys, the second as values."""
    return {key: value for key, value in connection.execute(query, values)}  # noqa: C416 - rows, not pairs, to mypy


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, except those that exist. Idempotent."""
    if rows:
        connection.execute(insert(table).on_conflict_do_nothing(), rows)
