"""Column types of the commerce table: whatever it stores, our statements get texts and instants.

Values are converted to the type of the column and compared there, so that its indexes apply.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, UserDefinedType

INSTANT = sa.DateTime(timezone=True)
# What lies outside is no time of a photo: zero, infinity, a number in another unit.
MIN_TIME, MAX_TIME = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class DatabaseType(UserDefinedType[Any]):
    """A type by its name in SQL, for casts."""

    cache_ok = True

    def __init__(self, sql_type: str) -> None:
        self.sql_type = sql_type

    def get_col_spec(self, **_: object) -> str:
        """The name."""
        return self.sql_type


class StoredText(TypeDecorator[str]):
    """A text, enum, number or id, read as text. `collation`: by which an index compares it."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, sql_type: str, collation: str | None = None) -> None:
        super().__init__()
        self.sql_type, self.collation = sql_type, collation

    def to_stored(self, value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """A text as a value of the column."""
        stored = sa.cast(value, DatabaseType(self.sql_type))
        if self.collation is None:
            return stored
        return sa.collate(stored, sa.quoted_name(self.collation, quote=False))

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
        """The column in the list of a SELECT."""
        return sa.cast(column, sa.Text)

    def bind_expression(self, bindparam: sa.BindParameter[Any]) -> sa.ColumnElement[Any]:
        """A parameter that is compared with the column or assigned to it."""
        return self.to_stored(sa.type_coerce(bindparam, sa.Text))


class StoredTime(TypeDecorator[datetime]):
    """A `timestamptz`; the base of the other times."""

    impl = INSTANT
    cache_ok = True

    def __init__(self, sql_type: str) -> None:
        super().__init__()
        self.sql_type = sql_type

    def to_stored(self, value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """An instant as a value of the column, in its resolution."""
        return sa.cast(self._encode(value), DatabaseType(self.sql_type))

    def to_instant(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[datetime]:
        """The instant of a column: the later one if ambiguous; NULL if it is no time of a photo."""
        column = sa.type_coerce(column, DatabaseType(self.sql_type))
        plausible = column.between(self._bound(MIN_TIME), self._bound(MAX_TIME))
        return sa.type_coerce(sa.case((plausible, self._decode(column))), INSTANT)

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[datetime]:
        """The column in the list of a SELECT."""
        return self.to_instant(column)

    def bind_expression(self, bindparam: sa.BindParameter[Any]) -> sa.ColumnElement[Any]:
        """A parameter that is compared with the column or assigned to it."""
        return self.to_stored(sa.type_coerce(bindparam, INSTANT))

    def _encode(self, instant: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return instant

    def _decode(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return column

    def _bound(self, instant: datetime) -> sa.ColumnElement[Any]:
        return sa.literal_column(f"timestamptz '{instant.isoformat()}'")


class StoredLocalTime(StoredTime):
    """A `timestamp` without time zone that holds the local time of a zone.

    Of an hour that a clock shows twice, PostgreSQL takes the later pass.
    """

    cache_ok = True

    def __init__(self, sql_type: str, timezone: str) -> None:
        super().__init__(sql_type)
        self.timezone = timezone

    def _encode(self, instant: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.timezone(sa.literal_column(f"'{self.timezone}'"), instant)

    def _decode(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return self._encode(column)  # PostgreSQL's function does both, by its argument's type

    def _bound(self, instant: datetime) -> sa.ColumnElement[Any]:
        return sa.literal_column(f"timestamp '{instant.replace(tzinfo=None).isoformat()}'")


class StoredEpochTime(StoredTime):
    """A number of seconds or milliseconds since 1970 in UTC; fractions are cut off."""

    cache_ok = True

    def __init__(self, sql_type: str, per_second: int) -> None:
        super().__init__(sql_type)
        self.per_second = per_second

    def _encode(self, instant: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.floor(sa.extract("epoch", instant) * sa.literal_column(str(self.per_second)))

    def _decode(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        seconds = sa.cast(column, sa.Double) / sa.literal_column(str(self.per_second), sa.Double)
        return sa.func.to_timestamp(seconds)

    def _bound(self, instant: datetime) -> sa.ColumnElement[Any]:
        return sa.literal_column(str(int(instant.timestamp()) * self.per_second))
