import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ml.operations.doctor.check import CheckStatus
from ml.operations.doctor.model_checks import check_predict


@contextmanager
def service(ready: int) -> Iterator[str]:
    """A service that is alive, and answers `/readyz` with this status."""

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


def test_ready_service_passes() -> None:
    with service(200) as url:
        assert check_predict(url).state is CheckStatus.OK


def test_service_that_is_not_ready_fails() -> None:
    with service(503) as url:
        finding = check_predict(url)
    assert finding.state is CheckStatus.FAILED
    assert "/readyz answers 503" in finding.message


def test_unreachable_service_fails() -> None:
    finding = check_predict("http://127.0.0.1:1")
    assert finding.state is CheckStatus.FAILED
    assert "start the service" in finding.remedy


def test_service_without_url_is_skipped() -> None:
    assert check_predict(None).state is CheckStatus.SKIPPED
