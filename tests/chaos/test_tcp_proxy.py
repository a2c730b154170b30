import socket
import threading
from collections.abc import Iterator
from random import Random

import pytest

from tests.chaos.tcp_proxy import Cutter, cutting_proxy

SENT = b"x" * 300_000  # more than any cut lets pass


@pytest.fixture
def sender() -> Iterator[int]:
    """The port of a server that sends `SENT` to whoever connects, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_send_to_all, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _send_to_all(listening: socket.socket) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        with client:
            try:
                client.sendall(SENT)
            except OSError:
                continue


def _received(port: int) -> int:
    size = 0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        try:
            while data := client.recv(65_536):
                size += len(data)
        except ConnectionError:
            pass
    return size


def test_connections_are_cut_until_there_were_enough(sender: int) -> None:
    cutter = Cutter(Random(1), left=3, share=1.0)
    with cutting_proxy("127.0.0.1", sender, cutter) as port:
        sizes = [_received(port) for _ in range(5)]
    assert cutter.made == 3
    assert all(size < len(SENT) for size in sizes[:3])
    assert sizes[3:] == [len(SENT)] * 2


def test_without_cuts_everything_passes(sender: int) -> None:
    with cutting_proxy("127.0.0.1", sender, Cutter(Random(1), left=0)) as port:
        assert _received(port) == len(SENT)
