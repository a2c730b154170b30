"""What the database server says of itself: session, version, clock, schema."""

from datetime import datetime

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

_SESSION = text("select current_user, current_database(), current_setting('server_version')")
_VERSION = text("select current_setting('server_version_num')::int")
_CLOCK = text("select clock_timestamp()")
_SCHEMA_EXISTS = text("select exists (select from pg_namespace where nspname = :schema)")
_COUNT_RELATIONS = text(
    """
    select count(*) from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = :schema
    """
)


def session_identity(connection: Connection) -> tuple[str, str, str]:
    """(user, database, server version)."""
    user, database, version = connection.execute(_SESSION).one()
    return user, database, version


def server_major(connection: Connection) -> int:
    """The server's major version, such as 18."""
    number: int = connection.execute(_VERSION).scalar_one()
    return number // 10_000


def server_time(connection: Connection) -> datetime:
    """The server's clock now, with a time zone."""
    now: datetime = connection.execute(_CLOCK).scalar_one()
    return now


def schema_exists(connection: Connection, schema: str) -> bool:
    """Whether the database has a schema."""
    exists: bool = connection.execute(_SCHEMA_EXISTS, {"schema": schema}).scalar_one()
    return exists


def count_relations(connection: Connection, schema: str) -> int:
    """How many tables, views, indexes and sequences a schema has; 0 where there is no schema."""
    count: int = connection.execute(_COUNT_RELATIONS, {"schema": schema}).scalar_one()
    return count


def schema_revision(connection: Connection) -> str:
    """The latest migration of the schema `moderation` that this database has."""
    context = MigrationContext.configure(connection, opts={"version_table_schema": "moderation"})
    return max(context.get_current_heads())
