"""A TCP proxy that cuts its connections: after some bytes, at once or after a silence."""

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

MAX_BYTES = 200_000  # before a cut; most steps send less over a connection
MAX_HOLD_SECONDS = 1.5
_CHUNK = 16_384
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST


@dataclass(frozen=True)
class Cut:
    """The fate of a connection: `hold` seconds of silence, and RST or FIN at the end."""

    after_bytes: int
    hold: float
    reset: bool


@dataclass
class Cutter:
    """Draws which connections are cut; `left` bounds how many, so that a run ends."""

    rng: random.Random
    left: int
    share: float = 0.5
    made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def draw(self) -> Cut | None:
        """Return the fate of a new connection."""
        with self._lock:
            if self.made >= self.left or self.rng.random() >= self.share:
                return None
            return Cut(
                # Log-uniform: as many cuts during the login as in a long result.
                int(MAX_BYTES ** self.rng.random()),
                self.rng.random() * MAX_HOLD_SECONDS if self.rng.random() < 1 / 3 else 0.0,
                self.rng.random() < 1 / 2,
            )

    def count(self) -> None:
        """Count a cut."""
        with self._lock:
            self.made += 1


class _Pair:
    """A client's connection and ours to the server."""

    def __init__(self, client: socket.socket, server: socket.socket, cutter: Cutter) -> None:
        self._ends = client, server
        self._cutter = cutter
        self._fate = cutter.draw()
        self._bytes = 0
        self._is_cut = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Forward in both directions."""
        client, server = self._ends
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                allowed = self._allowed(len(data))
                target.sendall(data[:allowed])
                if allowed < len(data):
                    self._cut()
                    return
        self._close()

    def _allowed(self, size: int) -> int:
        """Return how many bytes may pass; fewer than `size` where the connection is cut."""
        if self._fate is None:
            return size
        with self._lock:
            allowed = min(size, self._fate.after_bytes - self._bytes)
            self._bytes += allowed
        return max(0, allowed) if allowed < size else size

    def _cut(self) -> None:
        with self._lock:
            if self._fate is None or self._is_cut:
                return
            self._is_cut = True
        self._cutter.count()
        time.sleep(self._fate.hold)
        if self._fate.reset:
            for end in self._ends:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._close()

    def _close(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def cutting_proxy(host: str, port: int, cutter: Cutter) -> Iterator[int]:
    """Yield the port of a proxy of `host:port`."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        thread = threading.Thread(
            target=_accept, args=(listening, (host, port), cutter), daemon=True
        )
        thread.start()
        yield listening.getsockname()[1]
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def _accept(listening: socket.socket, upstream: tuple[str, int], cutter: Cutter) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        try:
            server = socket.create_connection(upstream, timeout=10)
        except OSError:
            client.close()
            continue
        server.settimeout(None)
        _Pair(client, server, cutter).start()
