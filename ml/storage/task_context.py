"""Settings and open connections for one task of a workflow or one command."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from structlog.contextvars import bound_contextvars

from ml.core.settings import Settings, load_settings
from ml.storage.connections import Connections, open_connections


@contextmanager
def task_context(**log_fields: object) -> Iterator[tuple[Settings, Connections]]:
    """Load the settings from the environment and open the connections; closed at the end.

    `log_fields` are bound to every log line meanwhile.
    """
    settings = load_settings()
    with bound_contextvars(**log_fields), closing(open_connections(settings)) as connections:
        yield settings, connections
