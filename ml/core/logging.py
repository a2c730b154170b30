"""Logging of our own processes. Airflow tasks need none: Airflow writes their logs as JSON."""

import sys
from typing import TextIO

import structlog


def configure_logs(stream: TextIO | None = None) -> None:
    """Write log lines to `stream`: JSON, or colored text at a terminal.

    The default is standard error: standard output is for results.
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
