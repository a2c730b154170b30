"""Run optional page queries under a statement timeout; the page omits the section on timeout."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg.errors
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

log = structlog.get_logger()
T = TypeVar("T")

_SET_TIMEOUT = text("select set_config('statement_timeout', :timeout, true)")
_RESET_TIMEOUT = text("set local statement_timeout to default")


@dataclass(frozen=True)
class TimedResult(Generic[T]):
    """A result, which may itself be None; `value` is None where `completed` is False."""

    value: T | None
    completed: bool


def with_timeout(
    connection: Connection, work: Callable[[Connection], T], *, seconds: float = 1.0
) -> TimedResult[T]:
    """The result of `work`, unless one of its statements takes longer than `seconds`.

    The time that a statement waits for a lock counts. The surrounding transaction stays usable.
    """
    try:
        with connection.begin_nested():
            connection.execute(_SET_TIMEOUT, {"timeout": f"{int(seconds * 1000)}ms"})
            value = work(connection)
            connection.execute(_RESET_TIMEOUT)
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.QueryCanceled):
            raise
        log.warning("page section omitted: the database is slow", seconds=seconds)
        return TimedResult(None, completed=False)
    return TimedResult(value, completed=True)
