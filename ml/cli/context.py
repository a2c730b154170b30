"""What all commands share: console, logs, settings with open connections, queries and tables."""

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

import structlog
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Connection

from ml.storage.connections import task_context as opened
from ml.storage.database import in_transaction

if TYPE_CHECKING:
    from ml.learning.labels.csv_rows import RowError

__all__ = ["configure_logs", "console", "opened", "print_rejected", "print_table", "query"]

_SHOWN = 20  # rejected lines

T = TypeVar("T")

console = Console()


def configure_logs(stream: TextIO | None = None) -> None:
    """Write log lines to `stream`: JSON, or colored text at a terminal.

    The default is standard error: standard output is for results. Airflow tasks do not call this:
    Airflow writes their logs as JSON itself.
    """
    out = stream or sys.stderr
    # Structured tracebacks without the values of local variables, which may be secrets.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    json_processors = [
        structlog.processors.ExceptionRenderer(tracebacks),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.dev.ConsoleRenderer()] if out.isatty() else json_processors),
        ],
        logger_factory=structlog.WriteLoggerFactory(out),
    )


def query(work: Callable[[Connection], T]) -> T:
    """Run work in one transaction on the database of the settings."""
    with opened() as (_, connections):
        return in_transaction(connections.engine, work)


def print_table(*columns: str, rows: Iterable[Iterable[object]], title: str | None = None) -> None:
    """Print rows as a table; None is an empty cell."""
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def print_rejected(file: Path, rejected: "Sequence[RowError]") -> str:
    """Print the first rejected lines of a file, and write all next to it; returns where they are.

    Empty if there are none; then the report of an earlier attempt is deleted.
    """
    report = file.with_name(f"{file.name}.rejected.csv")
    if not rejected:
        report.unlink(missing_ok=True)
        return ""
    rows = [(error.line, error.reason) for error in rejected]
    print_table("line", "reason", rows=rows[:_SHOWN], title="rejected")
    try:
        with report.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([("line", "reason"), *rows])
    except OSError as error:
        return f"the list of them cannot be written to {report}: {error.strerror}"
    return f"see {report}"


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else escape(str(value))
