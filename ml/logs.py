"""Log lines of our own processes: JSON for machines, coloured for a person at a terminal.

Airflow's tasks are not set up here: Airflow writes its task log as JSON itself, and takes the
bound names (run, shard, image) into it.
"""

import sys
from typing import TextIO

import structlog
from structlog.typing import Processor


def configure(stream: TextIO | None = None) -> None:
    """Write log lines to `stream` (standard error): what a command prints stays by itself."""
    out = stream or sys.stderr
    structlog.configure(
        processors=[*_shared(), *(_for_people() if out.isatty() else _for_machines())],
        logger_factory=structlog.WriteLoggerFactory(out),
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _for_people() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer()]


def _for_machines() -> list[Processor]:
    # Tracebacks as structure, without the values of local variables: those may be secrets.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(tracebacks),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
