"""What every command needs: the console, the settings, and open connections."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from rich.console import Console

from ml.connections import Connections, open_connections
from ml.settings import Settings, load_settings

console = Console()


@contextmanager
def opened() -> Iterator[tuple[Settings, Connections]]:
    """Settings from the environment and the connections they name, closed at the end."""
    settings = load_settings()
    with closing(open_connections(settings)) as connections:
        yield settings, connections
