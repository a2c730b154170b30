"""Clients that are slow on purpose: the others are answered."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from ml.moderation.serving import connections
from tests.integration.moderation.serving.hostile import MULTIPART
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop
from tests.support.serving import RunningService, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

MAX = 30
HEAD = "POST /predict HTTP/1.1\r\nHost: x\r\n"
BODY = f"Content-Type: {MULTIPART}\r\nContent-Length: 50000\r\n\r\nabc"


@pytest.fixture(scope="module")
def served(shared_shop: Shop) -> Iterator[RunningService]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "MAX_CONNECTIONS", MAX)
        with serving(shared_shop, serve_in_flight=8, serve_upload_timeout_seconds=60.0) as running:
            yield running


def _open(served: RunningService, text: str, stack: ExitStack, *, number: int) -> None:
    for _ in range(number):
        connection = socket.create_connection(("127.0.0.1", served.port), timeout=30)
        stack.enter_context(connection).sendall(text.encode())


@pytest.mark.parametrize("kind", ["nothing", "half a head", "no key", "a key", "wrong route"])
def test_health_is_answered_while_unfinished_requests_are_open(
    served: RunningService, kind: str
) -> None:
    text = {
        "nothing": "",
        "half a head": HEAD,
        "no key": HEAD + BODY,
        "a key": f"{HEAD}Authorization: Bearer {served.token}\r\n{BODY}",
        "wrong route": f"POST /healthz HTTP/1.1\r\nHost: x\r\n{BODY}",
    }[kind]
    with ExitStack() as stack:
        _open(served, text, stack, number=3 * MAX)
        for _ in range(3):
            assert httpx.get(f"{served.url}/healthz", timeout=10).status_code == 200
        if kind != "a key":  # one key may hold its own requests, no more
            assert served.predict(photo(BRIGHT)).status_code == 200


def test_client_that_does_not_finish_is_disconnected(
    served: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CLIENT_SECONDS", 0.5)
    for text in ("", HEAD, HEAD + BODY):
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
            connection.sendall(text.encode())
            _trickle_until_closed(connection)


def _trickle_until_closed(connection: socket.socket) -> None:
    """A byte every tenth of a second, as a slow client sends them."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            connection.sendall(b"a")
            connection.setblocking(False)
            if connection.recv(65536) == b"":
                return
        except BlockingIOError:
            pass
        except OSError:
            return
        finally:
            connection.settimeout(20)
        time.sleep(0.1)
    raise AssertionError("the connection stayed open")


def test_limit_leaves_files_for_the_rest_of_the_process() -> None:
    assert 1 <= connections.max_connections() <= connections.MAX_CONNECTIONS
