"""What routes share: bounded types of requests, open connections and the policy."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, TypeVarTuple

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ml.core.settings import Settings
    from ml.policy.schema import Policy
    from ml.storage.connections import Connections

NO_NUL = r"^[^\x00]*$"  # PostgreSQL's text cannot hold it
TaskId = Annotated[int, Field(ge=1, le=2**63 - 1)]
Identifier = Annotated[str, StringConstraints(max_length=250, pattern=NO_NUL)]
Word = Annotated[str, StringConstraints(max_length=100, pattern=NO_NUL)]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_NUL)
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

T = TypeVar("T")
Args = TypeVarTuple("Args")


class RequestModel(BaseModel):
    """A body or query; an unknown key is an error, so that a misspelled one is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Resources:
    """Settings and open connections."""

    settings: "Settings"
    connections: "Connections"

    @property
    def policy(self) -> "Policy":
        """The policy in force; read again after its file was changed."""
        path = self.settings.policy_file
        changed_at = path.stat().st_mtime_ns if path.is_file() else 0
        return _load_policy(path, changed_at)

    def transaction(self, work: "Callable[[Connection, *Args], T]", *args: *Args) -> T:
        """Run `work(connection, *args)` as `ml.storage.database.in_transaction` does."""
        from ml.storage.database import in_transaction

        return in_transaction(self.connections.engine, work, *args)


@cache
def _open_resources() -> Resources:
    from ml.core.settings import load_settings
    from ml.storage.connections import open_connections

    settings = load_settings()
    return Resources(settings, open_connections(settings))


@cache
def _load_policy(path: Path, _changed_at: int) -> "Policy":
    from ml.policy.schema import load_policy

    return load_policy(path)


Opened = Annotated[Resources, Depends(_open_resources)]
