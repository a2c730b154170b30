import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ml.operations.doctor.check import CheckStatus
from ml.operations.doctor.model_checks import check_predict


@contextmanager
def service(ready: int) -> Iterator[str]:
    """A service that lives, and answers this status when asked whether it is ready."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else ready)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_alive_and_ready() -> None:
    with service(200) as url:
        assert check_predict(url).state is CheckStatus.OK


def test_alive_but_without_a_model() -> None:
    with service(503) as url:
        finding = check_predict(url)
    assert finding.state is CheckStatus.FAILED
    assert "/readyz answers 503" in finding.message


def test_nobody_there() -> None:
    finding = check_predict("http://127.0.0.1:1")
    assert finding.state is CheckStatus.FAILED
    assert "start the service" in finding.remedy


def test_not_asked_for() -> None:
    assert check_predict(None).state is CheckStatus.SKIPPED
