"""The server's connections: those whose client is slow make room for others."""

import asyncio
import resource
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 1024  # further ones are answered with 503
_SHARE_OF_FILES = 0.5  # of the files that the process may open
# A client has this long for the head of a request, and to end a body that was rejected.
CLIENT_SECONDS = 10.0


def max_connections() -> int:
    """How many connections the process may hold."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, int(files * _SHARE_OF_FILES))


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP protocol, which by itself waits for a request without end.

    A connection whose request is being answered is never closed here: authentication and the
    timeouts of body and answer bound it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own arguments
        super().__init__(*args, **kwargs)
        self._waits_since = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _is_waiting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Start to wait for a request; beyond the limit, close the longest-waiting connection."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) >= max_connections():
            waiting = [c for c in self.connections if isinstance(c, BoundedProtocol)]
            waiting = [c for c in waiting if c is not self and c._is_waiting]  # noqa: SLF001 - our own class
            if waiting:
                min(waiting, key=lambda c: c._waits_since)._close()  # noqa: SLF001 - as above

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Stop the timer once a request has begun."""
        super().handle_events()
        if not self._is_waiting:
            self._stop_timer()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a rejected body."""
        super().on_response_complete()
        if self._is_waiting and not self.transport.is_closing():
            self._wait()

    def _wait(self) -> None:
        self._stop_timer()
        self._waits_since = time.monotonic()
        self._timer = self.loop.call_later(CLIENT_SECONDS, self._close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._stop_timer()
        self.connections.discard(self)  # now, since the transport reports it later
        self.transport.abort()
