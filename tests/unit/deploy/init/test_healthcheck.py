import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from healthcheck import is_healthy


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize(("status", "expected"), [(200, True), (204, False), (503, False)])
def test_is_healthy_only_for_status_200(server: str, status: int, expected: bool) -> None:
    assert is_healthy(f"{server}/{status}") is expected


def test_is_healthy_is_false_without_a_server(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_healthy("http://127.0.0.1:1/healthz")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert is_healthy(f"{server}/200")  # no proxy is used
