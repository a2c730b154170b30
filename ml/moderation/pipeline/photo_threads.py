"""The threads of a run that fetch photos, and have them prepared and read; none waits for a worker.

Each switch between threads costs a turn at the interpreter's lock, for which all of them queue. So
a thread that has a place among the workers keeps it for the photos that others have fetched, and
one that finds no place fetches the next photo.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TypeVar

from structlog.contextvars import bind_contextvars

from ml.core.concurrency import ContextThreadPoolExecutor, Place, Places
from ml.core.types import NotFetched, PendingImage, RejectedImage
from ml.moderation.pipeline.fetch import Fetched, Fetcher
from ml.moderation.pipeline.preprocessing import (
    PreparedImage,
    Preprocessor,
    ReadText,
    UnreadText,
)

Prepared = PreparedImage | RejectedImage | NotFetched
T = TypeVar("T")


class PhotoThreads:
    """Threads, of which at most `fetch_threads` fetch at a time; a context manager that ends them.

    Photos that are overdue leave their place to others.
    """

    def __init__(self, fetcher: Fetcher, preprocessor: Preprocessor, *, fetch_threads: int) -> None:
        self._fetcher, self._preprocessor = fetcher, preprocessor
        self.number = fetch_threads + preprocessor.max_processes
        self._threads = ContextThreadPoolExecutor(self.number, "photo")
        self._fetching = Places(fetch_threads)
        self._places = Places(preprocessor.workers)
        self._unread: deque[tuple[UnreadText, Future[ReadText]]] = deque()
        self._fetched: deque[tuple[Fetched, Future[Prepared]]] = deque()

    def __enter__(self) -> "PhotoThreads":
        return self

    def __exit__(self, *_: object) -> None:
        self._unread.clear()  # nobody waits for them any more
        self._fetched.clear()
        self._threads.shutdown()

    def submit(self, image: PendingImage) -> Future[Prepared]:
        """Fetch and prepare a photo, in the context of the caller."""
        done: Future[Prepared] = Future()
        self._threads.submit(self._fetch, image, done)
        return done

    def read(self, unread: UnreadText) -> Future[ReadText]:
        """Read the text of a photo, before others are prepared: its batch waits for it."""
        done: Future[ReadText] = Future()
        self._unread.append((unread, done))
        self._threads.submit(self._do_waiting)
        return done

    def _fetch(self, image: PendingImage, done: Future[Prepared]) -> None:
        if not done.set_running_or_notify_cancel():
            return
        with _errors_to(done):
            bind_contextvars(image=image.object_key)
            with self._fetching.take():
                fetched = self._fetcher.fetch(image)
            if isinstance(fetched, Fetched):
                self._fetched.append((fetched, done))
            else:
                done.set_result(fetched)
        self._do_waiting()

    def _do_waiting(self) -> None:
        # Asked again after a place is given back: another thread may have found none before.
        while self._has_waiting and (place := self._places.take_free()) is not None:
            with place, suppress(IndexError):  # others took the last one
                while place.is_held:
                    self._do_next(place)

    @property
    def _has_waiting(self) -> bool:
        return bool(self._unread or self._fetched)

    def _do_next(self, place: Place) -> None:
        def leave_place() -> None:
            place.release()
            with suppress(RuntimeError):  # the run has ended
                self._threads.submit(self._do_waiting)

        with suppress(IndexError):  # none is to be read
            unread, read = self._unread.popleft()
            with _errors_to(read):
                bind_contextvars(image=unread.fetched.image.object_key)
                read.set_result(self._preprocessor.read(unread, on_overdue=leave_place))
            return
        fetched, done = self._fetched.popleft()
        with _errors_to(done):
            bind_contextvars(image=fetched.image.object_key)
            done.set_result(self._preprocessor.prepare(fetched, on_overdue=leave_place))


@contextmanager
def _errors_to(done: Future[T]) -> Iterator[None]:
    """Raise errors of the block where the result is asked for."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - it is raised there
        done.set_exception(error)
