"""The process of one step: what it counts, and where it dies."""

import itertools
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import stamina
import structlog
import torch
from botocore.httpsession import URLLib3Session
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from ml.core.errors import ModelError
from ml.models import load_check
from ml.models.checkpoint import ARCHITECTURES
from ml.storage import object_store, s3_client
from tests.support.tiny_network import TinyResNet

READ_TIMEOUT_SECONDS = 1  # of the bucket, instead of 20
_STATEMENT_EVENTS = ("before_cursor_execute", "after_cursor_execute", "commit", "rollback")


@dataclass(frozen=True)
class Call:
    """A step: a function of a module, and its arguments."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    named: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.__name__


@dataclass(frozen=True)
class Done:
    """The end of a step that was not killed: its result, or the class and message of its error."""

    result: Any = None
    error: str = ""
    message: str = ""
    trace: str = ""
    points: int = 0


def run_call(
    answer: Connection, call: Call, environment: dict[str, str], log: Path, kill_at: int | None
) -> None:
    """Run a step in this process, and send its `Done`; at point `kill_at` the process dies."""
    _prepare(environment, log)
    points = _count_points(kill_at)
    try:
        result, failure = call.function(*call.args, **call.named), None
    except Exception as error:  # noqa: BLE001 - whatever a step raises is what the campaign examines
        result, failure = None, error
    if failure is None:
        answer.send(Done(result, points=points()))
    else:
        trace = "".join(traceback.format_exception(failure))
        answer.send(Done(None, type(failure).__name__, str(failure), trace, points()))


def _prepare(environment: dict[str, str], log: Path) -> None:
    for name in list(os.environ):
        if name.startswith("MODERATION_"):
            del os.environ[name]
    os.environ.update(environment)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    structlog.reset_defaults()
    # Every process builds the small network: the versions of a campaign are of it.
    ARCHITECTURES["resnet18"] = TinyResNet
    # As does the fresh process of the load check: this one is fresh, and has the small network.
    load_check.probe_in_fresh_process = _probe_here  # type: ignore[assignment]
    s3_client.READ_TIMEOUT_SECONDS = READ_TIMEOUT_SECONDS
    torch.set_num_threads(1)
    # The number of attempts of production, without the waiting between them.
    stamina.set_testing(True, attempts=object_store.RETRY_ATTEMPTS)


def _probe_here(folder: Path, *, model_hash: str | None = None) -> load_check.LoadCheckResult:
    try:
        difference = load_check.check_probe(folder, model_hash=model_hash)
    except ModelError as error:
        return load_check.LoadCheckResult(ok=False, largest_difference=None, detail=str(error))
    return load_check.LoadCheckResult(difference <= load_check.TOLERANCE, difference, "in place")


def _count_points(kill_at: int | None) -> Callable[[], int]:
    """Count the points at which a process may die: around each statement, commit and request."""
    numbers = itertools.count(1)
    passed = [0]

    def point(*_: object) -> None:
        passed[0] = number = next(numbers)
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in _STATEMENT_EVENTS:
        event.listen(Engine, name, point)
    event.listen(Pool, "checkin", point)  # after a commit has returned
    send = URLLib3Session.send

    def counted_send(session: URLLib3Session, request: Any) -> Any:  # noqa: ANN401 - botocore has no types
        point()
        response = send(session, request)
        point()
        return response

    URLLib3Session.send = counted_send
    return lambda: passed[0]
