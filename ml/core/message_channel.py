"""JSON messages between a process and its worker, over a socket; no pickle.

A message is one line: it is sent and received by one system call each. Each call gives up the
interpreter's lock, for which all threads that have photos in work then queue again.
"""

import json
import socket
import struct
from typing import Any

Message = dict[str, Any]

_READ_BYTES = 1 << 14


class MessageChannel:
    """One end; used by one thread at a time."""

    def __init__(self, end: socket.socket, *, poll_seconds: float | None = None) -> None:
        self._socket, self._received = end, b""
        if poll_seconds is not None:
            # The kernel's timeout: that of `settimeout` is one more system call per message.
            timeval = struct.pack("@ll", *divmod(round(1e6 * poll_seconds), 1_000_000))
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            OSError: the other end is closed.
        """
        self._socket.sendall(json.dumps(message, default=str).encode() + b"\n")

    def receive(self) -> Message | None:
        """The next message; None if there is none after `poll_seconds`.

        Raises:
            EOFError, OSError: the other end is closed.
        """
        while b"\n" not in self._received:
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                return None
            if not data:
                raise EOFError
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        message: Message = json.loads(line)
        return message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
