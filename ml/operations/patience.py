"""Parts of a page that are left out, rather than waited for, when the database is slow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg.errors
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class Part(Generic[T]):
    """What could be had in time, None included; `value` is None, too, where it could not."""

    value: T | None
    in_time: bool


def within(
    connection: Connection, work: Callable[[Connection], T], *, seconds: float = 1.0
) -> Part[T]:
    """What `work` returns, unless one of its statements takes longer than `seconds`.

    The time that a statement waits for a lock counts. The transaction around it goes on.
    """
    try:
        with connection.begin_nested():
            limit = text("select set_config('statement_timeout', :limit, true)")
            connection.execute(limit, {"limit": f"{int(seconds * 1000)}ms"})
            found = work(connection)
            connection.execute(text("set local statement_timeout to default"))
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.QueryCanceled):
            raise
        log.warning("left out of a page: the database is slow", seconds=seconds)
        return Part(None, in_time=False)
    return Part(found, in_time=True)
