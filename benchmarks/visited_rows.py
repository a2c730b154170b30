"""Rows that each statement visits, from the plans that PostgreSQL ran: `auto_explain`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection
from psycopg.errors import Diagnostic
from sqlalchemy import Engine, event

_OPTIONS = {
    "log_min_duration": "0",
    "log_analyze": "on",
    "log_buffers": "on",
    "log_timing": "off",
    "log_format": "json",
    "log_level": "notice",
    "log_nested_statements": "on",
}
_COUNTED = (
    "Actual Rows",
    "Rows Removed by Filter",
    "Rows Removed by Join Filter",
    "Rows Removed by Index Recheck",
)


@dataclass(frozen=True)
class Execution:
    """One execution of a statement.

    `rows` is the sum over the nodes of its plan of the rows that they returned or removed, times
    their loops; `blocks` are the pages of 8 KiB that it read, from memory or disk.
    """

    statement: str
    rows: int
    blocks: int
    milliseconds: float
    plan: dict[str, Any] = field(repr=False)


@contextmanager
def record_executions(engine: Engine, *, generic: bool = False) -> Iterator[list[Execution]]:
    """Collect every statement of an engine's connections, those of its triggers included.

    The role must be a superuser. With `generic`, statements are planned without their parameters,
    as PostgreSQL may do from the sixth execution of a prepared statement on.
    """
    executions: list[Execution] = []

    def receive(notice: Diagnostic) -> None:
        duration, _, plan = (notice.message_primary or "").partition("plan:\n")
        if plan:
            executions.append(_execution(duration, json.loads(plan)))

    def prepare(connection: Connection, _: object) -> None:
        connection.execute("load 'auto_explain'")
        for name, value in _OPTIONS.items():
            connection.execute(f"set auto_explain.{name} = {value}")
        if generic:
            connection.prepare_threshold = 0
            connection.execute("set plan_cache_mode = force_generic_plan")
        connection.commit()
        connection.add_notice_handler(receive)

    event.listen(engine, "connect", prepare)
    engine.dispose()
    try:
        yield executions
    finally:
        event.remove(engine, "connect", prepare)
        engine.dispose()


def _execution(duration: str, explained: dict[str, Any]) -> Execution:
    plan = explained["Plan"]
    return Execution(
        statement=" ".join(explained["Query Text"].split()),
        rows=round(_visited(plan)),
        blocks=plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0),
        milliseconds=float(duration.split()[1]),
        plan=plan,
    )


def _visited(node: dict[str, Any]) -> float:
    here = sum(node.get(name, 0) for name in _COUNTED) * node.get("Actual Loops", 1)
    return float(here) + sum(_visited(child) for child in node.get("Plans", ()))
