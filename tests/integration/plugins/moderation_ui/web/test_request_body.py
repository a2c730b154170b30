"""Bodies of writes, sent to Airflow's API server."""

import socket
import time
from urllib.parse import urlsplit

import pytest

from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

WRITES = ["/api/queue/claim", "/api/queue/decide", "/api/appeals", "/api/models/rollback"]


def _unfinished(pages: Pages, path: str, headers: dict[str, str]) -> tuple[bytes, float]:
    """The status line of the answer to a request whose body does not end, and its seconds."""
    url = urlsplit(pages.url)
    lines = [f"POST {url.path}{path} HTTP/1.1", f"Host: {url.netloc}", "Content-Length: 900000"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    start = time.monotonic()
    with socket.create_connection((url.hostname, url.port or 80), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "", '{"']).encode())
        return connection.recv(4096).partition(b"\r\n")[0], time.monotonic() - start


@pytest.mark.parametrize("path", WRITES)
def test_request_without_login_is_answered_before_its_body(pages: Pages, path: str) -> None:
    status, seconds = _unfinished(pages, path, {"Content-Type": "application/json"})
    assert b" 401 " in status
    assert seconds < 10


def test_large_body_is_413(pages: Pages) -> None:
    with pages.client() as client:
        answer = client.post("/api/queue/decide", content=bytes(3 * 2**20))
    assert answer.status_code == 413


def test_body_up_to_the_limit_reaches_its_route(pages: Pages) -> None:
    with pages.client() as client:
        answer = client.post("/api/queue/claim", json={"count": 1})
    assert (answer.status_code, answer.json()) == (200, {"tasks": []})
