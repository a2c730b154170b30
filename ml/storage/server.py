"""What the database server says of itself, and of what our user may do.

Privileges come from the catalog, which everyone may read: so a table that our user may not see is
distinguished from a missing one.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text

from ml.storage.rows import load_rows

_SESSION = text("select current_user, current_database(), current_setting('server_version')")
_VERSION = text("select current_setting('server_version_num')::int")
_COUNT_RELATIONS = text(
    "select count(*) from pg_class where relnamespace = to_regnamespace(:schema)"
)
_SUPERUSER = text("select rolsuper from pg_roles where rolname = current_user")
_SCHEMA_USAGE = text("select has_schema_privilege('moderation', 'USAGE')")
_COLUMNS = text(
    """
    select a.attname as name,
           has_column_privilege(c.oid, a.attnum, 'SELECT') as readable,
           has_column_privilege(c.oid, a.attnum, 'UPDATE') as writable,
           has_schema_privilege(n.oid, 'USAGE') as usable
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = :schema and c.relname = :table and a.attnum > 0 and not a.attisdropped
    """
)
# A column's own privileges count.
_WRITABLE = text(
    """
    select n.nspname || '.' || c.relname as name,
           array(
               select privilege from unnest(array['INSERT', 'DELETE', 'TRUNCATE']) privilege
               where has_table_privilege(c.oid, privilege)
           ) as privileges,
           array(
               select a.attname::text from pg_attribute a
               where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
               and (has_column_privilege(c.oid, a.attnum, 'UPDATE')
                    or has_column_privilege(c.oid, a.attnum, 'INSERT'))
               order by a.attnum
           ) as columns
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname not in ('moderation', 'pg_catalog', 'information_schema')
    and n.nspname not like 'pg\\_%'
    order by 1
    """
)
_OWN_TABLES = text(
    """
    select c.relname as name,
           array(
               select privilege
               from unnest(case when c.relkind = 'v' then array['SELECT']
                           else array['SELECT', 'INSERT', 'UPDATE', 'DELETE'] end) privilege
               where not has_table_privilege(c.oid, privilege)
           ) as missing
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'moderation' and c.relkind in ('r', 'p', 'v')
    order by 1
    """
)


def session_identity(connection: Connection) -> tuple[str, str, str]:
    """(user, database, server version)."""
    user, database, version = connection.execute(_SESSION).one()
    return user, database, version


def server_major(connection: Connection) -> int:
    """The server's major version, such as 18."""
    return int(connection.execute(_VERSION).scalar_one()) // 10_000


def schema_exists(connection: Connection, schema: str) -> bool:
    """Whether the database has a schema."""
    return inspect(connection).has_schema(schema)


def count_relations(connection: Connection, schema: str) -> int:
    """How many tables, views, indexes and sequences a schema has; 0 where there is no schema."""
    return int(connection.execute(_COUNT_RELATIONS, {"schema": schema}).scalar_one())


@dataclass(frozen=True)
class ColumnPrivileges:
    """What our user may do with a column; `usable` is USAGE on its schema."""

    readable: bool
    writable: bool
    usable: bool


@dataclass(frozen=True)
class WritableTable:
    """A table of another schema, such as `commerce.review_image`, with what we may write."""

    name: str  # with its schema
    privileges: list[str]  # those of INSERT, DELETE and TRUNCATE that hold for the whole table
    columns: list[str]  # that may be updated or inserted


def is_superuser(connection: Connection) -> bool:
    """Whether our user is a superuser of the database."""
    return bool(connection.execute(_SUPERUSER).scalar_one())


def has_schema_usage(connection: Connection) -> bool:
    """Whether our user has USAGE on the schema `moderation`."""
    return bool(connection.execute(_SCHEMA_USAGE).scalar_one())


def column_privileges(
    connection: Connection, schema: str, table: str
) -> dict[str, ColumnPrivileges]:
    """The columns of a table by name; empty where there is no such table."""
    rows = connection.execute(_COLUMNS, {"schema": schema, "table": table})
    return {row.name: ColumnPrivileges(row.readable, row.writable, row.usable) for row in rows}


def list_foreign_tables(connection: Connection) -> list[WritableTable]:
    """All tables outside of the schema `moderation`, with what our user may write there."""
    return load_rows(connection, _WRITABLE, WritableTable)


def missing_privileges(connection: Connection) -> dict[str, list[str]]:
    """The privileges that our user lacks on each table of `moderation`; most lists are empty."""
    return {row.name: row.missing for row in connection.execute(_OWN_TABLES)}
