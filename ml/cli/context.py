"""Console, settings and open connections, for every command."""

from rich.console import Console

from ml.storage.task_context import task_context as opened

__all__ = ["console", "opened"]

console = Console()
