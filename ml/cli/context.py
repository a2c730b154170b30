"""Console, settings and open connections, for every command."""

from rich.console import Console

from ml.storage.connections import task_context as opened

__all__ = ["console", "opened"]

console = Console()
