"""A UDP socket in place of a StatsD server."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class Listener:
    """Received gauges by name, with their last value, as in a StatsD server."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self.port: int = listening.getsockname()[1]

    def gauges(self) -> dict[str, float]:
        """Read the received gauges; loopback delivers before `sendto` returns."""
        found: dict[str, float] = {}
        while True:
            try:
                packet = self._socket.recv(65535).decode()
            except BlockingIOError:
                return found
            for line in packet.splitlines():
                name, _, value = line.partition(":")
                number, kind = value.split("|")[:2]
                if kind == "g":
                    found[name] = float(number)


@contextmanager
def statsd_listener() -> Iterator[Listener]:
    """Listen on a free port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield Listener(listening)
