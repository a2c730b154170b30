"""The engine, and transactions that survive a restart of the database."""

from collections.abc import Callable
from typing import TypeVar

import psycopg.errors
import stamina
import structlog
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError

from ml.errors import StorageForbidden, StorageUnavailable

log = structlog.get_logger()
T = TypeVar("T")

# A restart of PostgreSQL takes seconds; a longer outage is left to the task's own retries.
RETRY_ATTEMPTS = 8
RETRY_SECONDS = 60.0

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


def connect(url: str) -> Engine:
    """An engine whose pool checks a connection before it hands it out."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=4,
        connect_args={"connect_timeout": 10, "application_name": "moderation"},
    )


def in_transaction(
    engine: Engine, work: Callable[[Connection], T], *, seconds: float = RETRY_SECONDS
) -> T:
    """Run `work` in one transaction; on a transient failure run it again from its start.

    `work` must therefore write idempotently: the first commit may have reached the server although
    its answer was lost.

    Args:
        engine: of the database.
        work: what to do.
        seconds: how long to go on trying.

    Raises:
        StorageUnavailable: still failing after RETRY_ATTEMPTS or `seconds`.
        StorageForbidden: login or rights are missing.
    """
    for attempt in stamina.retry_context(
        on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=seconds, wait_max=10.0
    ):
        with attempt:
            return _once(engine, work)
    raise StorageUnavailable("the database did not answer")  # pragma: no cover - for the type only


def _once(engine: Engine, work: Callable[[Connection], T]) -> T:
    try:
        with engine.begin() as connection:
            return work(connection)
    except DBAPIError as error:
        mapped = map_error(error)
        if mapped is None:
            raise
        log.warning("database", error=str(mapped))
        raise mapped from error


def map_error(error: DBAPIError) -> StorageUnavailable | StorageForbidden | None:
    """The project's word for a driver error; None if it is a defect that must surface as it is."""
    cause = error.orig
    if isinstance(cause, _FORBIDDEN) or "password authentication failed" in str(cause):
        return StorageForbidden(f"the database refuses: {cause}")
    # A connection that breaks carries no SQLSTATE: psycopg raises the bare OperationalError.
    bare = type(cause) in (psycopg.OperationalError, psycopg.InterfaceError)
    if isinstance(cause, _TRANSIENT) or bare or error.connection_invalidated:
        return StorageUnavailable(f"the database is not reachable: {cause}")
    return None
