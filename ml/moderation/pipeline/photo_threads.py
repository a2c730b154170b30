"""The threads of a run that fetch its photos and have them prepared; none waits for a worker.

Each switch between threads costs a turn at the interpreter's lock, for which all of them queue. So
a thread that has a place among the workers keeps it for the photos that others have fetched, and
one that finds no place fetches the next photo.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from structlog.contextvars import bind_contextvars

from ml.core.concurrency import ContextThreadPoolExecutor, Place, Places
from ml.core.types import NotFetched, PendingImage, RejectedImage
from ml.moderation.pipeline.fetch import Fetched, Fetcher
from ml.moderation.pipeline.preprocessing import PreparedImage, Preprocessor

Prepared = PreparedImage | RejectedImage | NotFetched


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
        self._fetched: deque[tuple[Fetched, Future[Prepared]]] = deque()

    def __enter__(self) -> "PhotoThreads":
        return self

    def __exit__(self, *_: object) -> None:
        self._fetched.clear()  # nobody waits for them any more
        self._threads.shutdown()

    def submit(self, image: PendingImage) -> Future[Prepared]:
        """Fetch and prepare a photo, in the context of the caller."""
        done: Future[Prepared] = Future()
        self._threads.submit(self._fetch, image, done)
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
        self._prepare_fetched()

    def _prepare_fetched(self) -> None:
        # Asked again after a place is given back: another thread may have found none before.
        while self._fetched and (place := self._places.take_free()) is not None:
            with place, suppress(IndexError):  # others took the last one
                while place.is_held:
                    self._prepare(*self._fetched.popleft(), place)

    def _prepare(self, fetched: Fetched, done: Future[Prepared], place: Place) -> None:
        def leave_place() -> None:
            place.release()
            with suppress(RuntimeError):  # the run has ended
                self._threads.submit(self._prepare_fetched)

        with _errors_to(done):
            bind_contextvars(image=fetched.image.object_key)
            done.set_result(self._preprocessor.prepare(fetched, on_overdue=leave_place))


@contextmanager
def _errors_to(done: Future[Prepared]) -> Iterator[None]:
    """Raise errors of the block where the result is asked for."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - it is raised there
        done.set_exception(error)
