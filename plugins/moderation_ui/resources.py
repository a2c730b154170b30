"""What the pages work with: connections and policy, opened once in the API server's process."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ml.connections import Connections
    from ml.policy.policy import Policy
    from ml.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Resources:
    """Settings and open connections."""

    settings: "Settings"
    connections: "Connections"

    @property
    def policy(self) -> "Policy":
        """The policy in force; read again when its file was changed."""
        path = self.settings.policy_file
        return _policy(path, path.stat().st_mtime_ns)

    def transaction(self, work: "Callable[[Connection], T]") -> T:
        """Work in one transaction, as `ml.storage.database.in_transaction` does."""
        from ml.storage.database import in_transaction

        return in_transaction(self.connections.engine, work)


@cache
def resources() -> Resources:
    """The one set of this process; a dependency of routes, so that tests can put in their own."""
    from ml.connections import open_connections
    from ml.settings import load_settings

    settings = load_settings()
    return Resources(settings, open_connections(settings))


@cache
def _policy(path: Path, changed_at: int) -> "Policy":
    del changed_at  # part of the cache's key only
    from ml.policy.policy import load_policy

    return load_policy(path)
