"""An HTTP proxy in front of SeaweedFS that injects faults."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# The fault of a request: None forwards it, an int answers with that status, "cut" sends half of the
# body, "hang" sends nothing for longer than the client's timeout.
Fault = Callable[[str, str], "int | str | None"]

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.fault(self.command, self.path)
        if isinstance(fault, int):
            self._answer(fault, [], b"")
            return
        if fault == "hang":
            time.sleep(self.server.hang_seconds)
        with closing(http.client.HTTPConnection(self.server.upstream, timeout=30)) as upstream:
            upstream.request(self.command, self.path, body, dict(self.headers.items()))
            answer = upstream.getresponse()
            data = answer.read()
        self._answer(answer.status, answer.getheaders(), data, cut=fault == "cut")

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        length = next((v for n, v in headers if n.lower() == "content-length"), str(len(data)))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_DELETE = _relay  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fault: Fault
    upstream: str
    hang_seconds: float

    def handle_error(self, *_: object) -> None:
        """Ignore clients that disconnect, which some tests cause."""


@contextmanager
def faulty_proxy(endpoint: str, fault: Fault, *, hang_seconds: float = 3.0) -> Iterator[str]:
    """Yield the URL of a proxy of `endpoint`; it calls `fault(method, path)` for each request."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.fault, server.upstream, server.hang_seconds = (
        fault,
        urlsplit(endpoint).netloc,
        hang_seconds,
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
