"""Logging of our own processes: JSON, or colored text at a terminal.

Airflow tasks need no configuration here: Airflow writes task logs as JSON itself and includes the
bound variables (run, shard, image).
"""

import sys
from typing import TextIO

import structlog
from structlog.typing import Processor


def configure_logs(stream: TextIO | None = None) -> None:
    """Write log lines to `stream`, by default standard error: standard output is for results."""
    out = stream or sys.stderr
    structlog.configure(
        processors=[
            *_shared_processors(),
            *(_console_processors() if out.isatty() else _json_processors()),
        ],
        logger_factory=structlog.WriteLoggerFactory(out),
    )


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _console_processors() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer()]


def _json_processors() -> list[Processor]:
    # Structured tracebacks without the values of local variables, which may be secrets.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(tracebacks),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
