"""What routes share: bounded types of requests, open connections and the policy in force."""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, TypeVar, TypeVarTuple

import structlog
from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ml.core.errors import ConnectionUnavailable, PolicyError, SettingsError
from ml.policy.schema import Policy, load_policy
from ml.storage.policy_in_force import PolicyInForce, last_valid_policy
from moderation_ui.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ml.core.settings import Settings
    from ml.storage.connections import Connections

log = structlog.get_logger()

RESOLVE_SECONDS = 60.0
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

    def transaction(self, work: "Callable[[Connection, *Args], T]", *args: *Args) -> T:
        """Run `work(connection, *args)` as `ml.storage.database.in_transaction` does."""
        from ml.storage.database import in_transaction

        return in_transaction(self.connections.engine, work, *args)


class OpenResources:
    """The resources that all requests share; thread-safe.

    Where Airflow connections name database or bucket, one request resolves them again after
    RESOLVE_SECONDS, and the others go on with the old resources. A rotated secret reopens them;
    requests under way end with the old ones: closing leaves what is in use open. While the
    connections cannot be resolved, the old ones stay.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._opened: Resources | None = None
        self._resolved_at = 0.0

    def __call__(self) -> Resources:
        """The open resources.

        Raises:
            SettingsError, ConnectionUnavailable: there are none yet, and they cannot be opened.
        """
        opened = self._opened
        if opened is not None and not self._is_due(opened):
            return opened
        if opened is None:
            self._lock.acquire()
        elif not self._lock.acquire(blocking=False):
            return opened  # another request waits for the secrets back end
        try:
            if self._opened is None or self._is_due(self._opened):
                self._opened = self._reopen(self._opened)
                self._resolved_at = time.monotonic()
            return self._opened
        finally:
            self._lock.release()

    def _is_due(self, opened: Resources) -> bool:
        settings = opened.settings
        named = settings.database_conn_id is not None or settings.s3_conn_id is not None
        return named and time.monotonic() - self._resolved_at > RESOLVE_SECONDS

    def _reopen(self, old: Resources | None) -> Resources:
        from ml.storage.connections import open_connections
        from moderation_airflow.connections import task_settings

        try:
            settings = task_settings()
            if old is not None and old.settings == settings:
                return old
            opened = Resources(settings, open_connections(settings))
        except (ConnectionUnavailable, SettingsError) as error:
            if old is None:
                raise
            log.warning("credentials not renewed", error=str(error))
            return old
        if old is not None:
            old.connections.close()
        return opened


Opened = Annotated[Resources, Depends(OpenResources())]


def _find_policy(request: Request, opened: Opened) -> PolicyInForce:
    """Found once a request; `render` says on the page if the file cannot be used."""
    path = opened.settings.policy_file
    try:
        in_force = PolicyInForce(_load_policy(path, _changed_at(path)))
    except PolicyError as error:
        in_force = opened.transaction(last_valid_policy, error)
    request.state.policy_in_force = in_force
    return in_force


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # reading it fails, too, and says why
        return 0


@cache
def _load_policy(path: Path, _changed_at: int) -> Policy:
    """Read again after a change of the file, and while it cannot be used."""
    return load_policy(path)


def _require_policy(in_force: Annotated[PolicyInForce, Depends(_find_policy)]) -> Policy:
    try:
        return in_force.require_classes()
    except PolicyError as error:
        raise ApiError(503, "policy_unusable", str(error)) from error


def _shown_policy(in_force: Annotated[PolicyInForce, Depends(_find_policy)]) -> Policy:
    return in_force.policy


# For what only shows data: without any valid policy it has no class and default sections.
ShownPolicy = Annotated[Policy, Depends(_shown_policy)]
# For what needs the classes: 503 without any valid policy.
RequiredPolicy = Annotated[Policy, Depends(_require_policy)]
