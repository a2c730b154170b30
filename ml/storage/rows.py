"""Rows of the database as the types of this package, and inserts that keep existing rows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Executable,
    FromClause,
    Select,
    Subquery,
    Table,
    Text,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import insert

T = TypeVar("T")


def columns_of(source: FromClause, row_type: type[Any]) -> list[ColumnElement[Any]]:
    """The columns of a table that have the names of a dataclass's fields."""
    return [source.c[field.name] for field in fields(row_type)]


def first_of(query: Select[Any], *order: str) -> Select[Any]:
    """The first row of a query by columns of it, descending.

    All its rows are read by its own conditions. The planner could otherwise walk the whole table in
    the order asked for, where its statistics make it expect an early match.
    """
    rows = query.offset(0).subquery()
    return select(rows).order_by(*(rows.c[name].desc() for name in order)).limit(1)


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


def rows_of(
    table: FromClause,
    values: Collection[str],
    has_value: Callable[[ColumnElement[str]], ColumnElement[bool]],
) -> Subquery:
    """The rows of a table that have one of the values, and that value as `key`.

    Each value is looked up, so the condition must be one that an index serves.
    """
    array = func.unnest(literal(list(values), ARRAY(Text)))
    wanted = array.table_valued("value", name="wanted").render_derived()
    found = select(table).where(has_value(wanted.c.value)).offset(0).lateral("found")
    key = wanted.c.value.label("key")
    return select(key, found).select_from(wanted.join(found, true())).subquery()


def last_of_page(
    connection: Connection,
    key: ColumnElement[str],
    after: str,
    limit: int,
    *within: ColumnElement[bool],
) -> tuple[str | None, int]:
    """The last of the next `limit` values of an indexed column, and how many there are.

    They are read in the order of the index. Sorted instead, each page would read the whole table.
    """
    page = select(key.label("key")).where(key > after, *within).order_by(key).limit(limit)
    column = page.subquery().c.key
    connection.execute(text("set local enable_sort = off"))
    last, rows = connection.execute(select(func.max(column), func.count())).one()
    connection.execute(text("set local enable_sort = on"))
    return last, rows


def is_found(table: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether rows of a table meet conditions; looked up for each row of the query around it.

    Counted: `exists` may become a join of whole tables, or a search from a table's start for a row
    that the planner thinks frequent, where the statistics do not know the rows.
    """
    found = select(func.count()).select_from(table).where(*conditions)
    return found.scalar_subquery() > 0
