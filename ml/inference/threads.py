"""Threads that know what they work for: the names bound to log lines go along with the work."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """A pool whose work runs in a copy of its submitter's context (PEP 567).

    A pool's threads do not inherit it, and their log lines would name neither run nor shard.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See `ThreadPoolExecutor.submit`."""
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))
