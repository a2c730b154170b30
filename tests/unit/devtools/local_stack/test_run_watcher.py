"""Watching a run of Airflow until it ends or makes no progress."""

from collections.abc import Iterator
from itertools import chain, count, repeat
from typing import Any

import pytest
from rich.console import Console

from devtools.local_stack import run_watcher
from devtools.local_stack.run_watcher import watch_run
from ml.core.errors import ServiceError


class _Client:
    """The answers of Airflow about one run."""

    def __init__(self, states: Iterator[str]) -> None:
        self._states = states

    def unpause(self, dag_id: str) -> None: ...

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None: ...

    def run(self, *_: str) -> dict[str, Any]:
        return {"state": next(self._states)}


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_watcher, "POLL_SECONDS", 0.05)


def _watch(states: Iterator[str], counts: Iterator[int], *, seconds: float) -> None:
    watch_run(
        _Client(states),  # type: ignore[arg-type]  # as far as it is used
        None,  # type: ignore[arg-type]  # for the message of a failed run alone
        "d", "r", {}, total=9, count_done=lambda: next(counts), console=Console(quiet=True),
        timeout_seconds=seconds,
    )  # fmt: skip


def test_run_that_progresses_may_take_longer_than_the_limit() -> None:
    _watch(chain(repeat("running", 40), ["success"]), count(), seconds=1.0)


def test_run_without_progress_is_an_error_that_says_how_far_it_came() -> None:
    with pytest.raises(ServiceError, match="d r made no progress for 0 s, at 3 of 9"):
        _watch(repeat("running"), repeat(3), seconds=0.1)
