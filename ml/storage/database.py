"""The engine, migrations, transactions that are retried, and optional queries with a timeout."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, TypeVarTuple

import psycopg.errors
import stamina
import structlog
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, func, inspect, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from ml.core.errors import (
    SettingsError,
    StatementCanceled,
    StorageError,
    StorageForbidden,
    StorageFull,
    StorageUnavailable,
)
from ml.core.settings import ROOT

log = structlog.get_logger()
T = TypeVar("T")
Args = TypeVarTuple("Args")

MODERATION = "moderation@head"
COMMERCE_REFERENCE = "commerce_reference@head"  # demo and tests only

# A restart of PostgreSQL takes seconds; a longer outage is left to the task's own retries.
RETRY_ATTEMPTS = 8
RETRY_SECONDS = 60.0

# What a transaction raises where the database or its schema fails.
DATABASE_ERRORS = (StorageError, SQLAlchemyError)

_TRANSIENT = (
    psycopg.errors.AdminShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.ConnectionException,
    psycopg.errors.CrashShutdown,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.TooManyConnections,
)
_FORBIDDEN = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidPassword,
)
# Driver errors, the error that each becomes, and its message; `StorageUnavailable` is retried.
# The table in docs/runbook.md follows.
_MAPPED: tuple[tuple[type | tuple[type, ...], type[StorageError], str], ...] = (
    (_TRANSIENT, StorageUnavailable, "the database is not reachable"),
    (_FORBIDDEN, StorageForbidden, "the database refuses"),
    (
        psycopg.errors.LockNotAvailable,
        StorageUnavailable,
        "another transaction holds a lock for too long (pg_stat_activity shows it)",
    ),
    (
        psycopg.errors.ReadOnlySqlTransaction,
        StorageUnavailable,
        "the database is read-only: name the primary in MODERATION_DATABASE_URL, or end that mode",
    ),
    (
        psycopg.errors.DiskFull,
        StorageFull,
        "the database's disk is full: enlarge it or free space, then run again",
    ),
    (
        psycopg.errors.QueryCanceled,
        StatementCanceled,
        "the database canceled a statement: raise the role's statement_timeout, then run again",
    ),
)


def connect(url: str) -> Engine:
    """An engine whose pool checks a connection before it hands it out.

    Raises:
        SettingsError: the address cannot be parsed.
    """
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_size=4,
            connect_args={"connect_timeout": 10, "application_name": "moderation"},
        )
    except ArgumentError as error:
        raise SettingsError(f"MODERATION_DATABASE_URL cannot be used: {error}") from error


def migrate(engine: Engine, target: str = MODERATION) -> None:
    """Run the migrations of one branch. Idempotent."""
    with engine.begin() as connection:
        # Alembic's version table lies in the schema that the first migration fills. It is created
        # only where it is missing, since IF NOT EXISTS needs the right to create schemas anyway.
        if not inspect(connection).has_schema("moderation"):
            connection.execute(CreateSchema("moderation"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, target)


def run_migration_file(name: str) -> None:
    """Execute the statements of a file of `migrations/sql`; for a migration's `upgrade`."""
    statements = (ROOT / "migrations" / "sql" / name).read_text(encoding="utf-8")
    # One statement at a time: a driver may refuse several at once.
    for statement in statements.split(";\n\n"):
        op.execute(statement)


def check_migrated(connection: Connection) -> None:
    """Raise unless the schema `moderation` is the one this code was written for.

    Raises:
        StorageError: it is older, newer or missing; says what to run.
    """
    if newest() not in schema_revisions(connection):
        raise StorageError("the schema `moderation` is not up to date; run `python -m ml migrate`")


def newest() -> str:
    """The revision of `moderation` that this code was written for."""
    found = ScriptDirectory.from_config(_config()).get_revision(MODERATION)
    if found is None:
        raise StorageError(f"no migrations under {ROOT / 'migrations'}: the installation is broken")
    return found.revision


def schema_revisions(connection: Connection) -> tuple[str, ...]:
    """The latest migration of each branch that the database has."""
    context = MigrationContext.configure(connection, opts={"version_table_schema": "moderation"})
    return context.get_current_heads()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return config


def current_time(connection: Connection) -> datetime:
    """The database's time now, also within a long transaction."""
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def in_transaction(
    engine: Engine,
    work: Callable[[Connection, *Args], T],
    *args: *Args,
    seconds: float = RETRY_SECONDS,
) -> T:
    """Run `work(connection, *args)` in one transaction; retry it whole on a transient failure.

    `work` must therefore write idempotently: the first commit may have reached the server although
    its answer was lost.

    Raises:
        StorageUnavailable: still failing after RETRY_ATTEMPTS or `seconds`.
        StorageForbidden: login or privileges are missing.
        StorageFull, StatementCanceled: at once, since a retry does not help.
    """
    for attempt in stamina.retry_context(
        on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=seconds, wait_max=10.0
    ):
        with attempt:
            return _once(engine, work, *args)
    raise StorageUnavailable("the database did not answer")  # pragma: no cover - for the type only


def _once(engine: Engine, work: Callable[[Connection, *Args], T], *args: *Args) -> T:
    try:
        with engine.begin() as connection:
            return work(connection, *args)
    except DBAPIError as error:
        mapped = map_error(error)
        if mapped is None:
            raise
        log.warning("database", error=str(mapped))
        if isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):
            engine.dispose()  # after a failover, a new connection reaches the new primary
        raise mapped from error


def map_error(error: DBAPIError) -> StorageError | None:
    """The project's error for a driver error; None for a defect, which must surface as it is."""
    cause = error.orig
    for kind, raised, message in _MAPPED:
        if isinstance(cause, kind):
            return raised(f"{message}: {cause}")
    if "password authentication failed" in str(cause):
        return StorageForbidden(f"the database refuses: {cause}")
    # A broken connection carries no SQLSTATE: psycopg raises the bare OperationalError.
    bare = type(cause) in (psycopg.OperationalError, psycopg.InterfaceError)
    if bare or error.connection_invalidated:
        return StorageUnavailable(f"the database is not reachable: {cause}")
    return None


@dataclass(frozen=True)
class TimedResult(Generic[T]):
    """A result, which may itself be None; `value` is None where `completed` is False."""

    value: T | None
    completed: bool


def with_timeout(
    connection: Connection, work: Callable[[Connection], T], *, seconds: float = 1.0
) -> TimedResult[T]:
    """The result of `work`, unless one of its statements takes longer than `seconds`.

    For optional sections of a page: it omits the section on timeout. The time that a statement
    waits for a lock counts. The surrounding transaction stays usable.
    """
    timeout = select(func.set_config("statement_timeout", f"{int(seconds * 1000)}ms", True))
    try:
        with connection.begin_nested():
            connection.execute(timeout)
            value = work(connection)
            connection.execute(text("set local statement_timeout to default"))
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.QueryCanceled):
            raise
        log.warning("page section omitted: the database is slow", seconds=seconds)
        return TimedResult(None, completed=False)
    return TimedResult(value, completed=True)
