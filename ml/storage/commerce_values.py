"""What only values of the commerce table show: whether it takes our statuses, and has times."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ml.core.commerce_names import CommerceNames
from ml.storage.commerce import instant, text_status
from ml.storage.commerce_columns import CommerceColumn, load_columns
from ml.storage.commerce_table import (
    Problem,
    commerce_table,
    find_problems,
    raise_problems,
    table_name,
)

_SAMPLE = 1000  # rows of any age
_ZONE_EXISTS = sa.text("select exists(select from pg_timezone_names where name = :name)")


def check_commerce_table(connection: sa.Connection, names: CommerceNames) -> None:
    """Check table, columns and values, before a nightly run depends on them.

    Raises:
        SettingsError: the table cannot be used; with the remedy.
    """
    columns = load_columns(connection, names)
    raise_problems(names, find_problems(names, columns))
    raise_problems(names, find_value_problems(connection, names, columns))


def find_value_problems(
    connection: sa.Connection, names: CommerceNames, columns: dict[str, CommerceColumn]
) -> list[Problem]:
    """What is wrong with a table whose columns are supported; empty for a usable one."""
    if names.timezone and not connection.execute(_ZONE_EXISTS, {"name": names.timezone}).scalar():
        message = f"the database knows no time zone {names.timezone}"
        return [Problem(message, "set MODERATION_COMMERCE__TIMEZONE to one of pg_timezone_names")]
    found = list(_refused_statuses(connection, columns[names.moderation_status], names))
    for key in ("uploaded_at", "moderated_at"):
        found += _strange_times(connection, commerce_table(names, columns), key)
    return found


def find_other_spellings(
    connection: sa.Connection, names: CommerceNames, columns: dict[str, CommerceColumn]
) -> dict[str, str]:
    """Settings of statuses -> another spelling of their value in some rows, such as `PENDING`.

    Such a row is somebody's decision to the nightly run: it is never written.
    """
    table = commerce_table(names, columns)
    rows = sa.select(text_status(table).label("status")).limit(_SAMPLE).subquery()
    stored = connection.execute(sa.select(rows.c.status).distinct().order_by(rows.c.status))
    others = [s for s in stored.scalars() if s is not None and s not in names.statuses().values()]
    return {
        setting: other
        for setting, status in names.statuses().items()
        for other in others
        if other.strip().casefold() == status.strip().casefold()
    }


def _refused_statuses(
    connection: sa.Connection, column: CommerceColumn, names: CommerceNames
) -> Iterator[Problem]:
    for setting, status in names.statuses().items():
        if not _accepts(connection, column, status):
            yield Problem(
                f"a constraint of {column.name} refuses the status {status!r}",
                f"set MODERATION_COMMERCE__{setting.upper()} to a status that "
                f"{table_name(names)} allows, or extend the constraint",
            )


def _accepts(connection: sa.Connection, column: CommerceColumn, status: str) -> bool:
    """Whether the constraints of a column, and of its domain, allow a value."""
    checks = [check.replace("%", "%%") for check in column.checks]
    conditions = "".join(f" and coalesce(({check}), true)" for check in checks)
    name = connection.dialect.identifier_preparer.quote_identifier(column.name)
    value = f"select cast(%(status)s as {column.sql_type}) as {name}"
    statement = f"select {name} is not null{conditions} from ({value}) as status"  # noqa: S608 - names, type and conditions are the catalog's
    try:
        with connection.begin_nested():
            return bool(connection.exec_driver_sql(statement, {"status": status}).scalar_one())
    except DBAPIError:
        return False


def _strange_times(connection: sa.Connection, table: sa.Table, key: str) -> Iterator[Problem]:
    """A wrong unit shows in the first rows: none of their times is one of a photo."""
    column = table.c[key]
    sample = sa.select(instant(column).label("instant"), column.is_not(None).label("is_set"))
    rows = sample.limit(_SAMPLE).subquery()
    counts = sa.select(sa.func.count(rows.c.instant), sa.func.count().filter(rows.c.is_set))
    times, values = connection.execute(counts).one()
    if values and not times:
        yield Problem(
            f"none of the {values} values of {column.name} that were read is a time after "
            "the year 2000",
            "fix MODERATION_COMMERCE__TIME_UNIT, or the name of the column",
        )
