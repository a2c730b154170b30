"""An HTTP proxy in front of SeaweedFS that injects faults."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """An HTTP response; a chunked one names no length."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    chunked: bool = False

    def with_header(self, name: str, value: str | None) -> "Answer":
        """Return it with another value of a header; without the header if it is None."""
        kept = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        return replace(self, headers=kept if value is None else [*kept, (name, value)])

    def with_body(self, body: bytes) -> "Answer":
        """Return it with another body and that one's length."""
        return replace(self.with_header("Content-Length", str(len(body))), body=body)


def s3_error(status: int, code: str, **fields: str) -> Answer:
    """Return an error as S3 sends it."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message>{inner}</Error>"
    return Answer(status, [("Content-Type", "application/xml")], body.encode())


# The fault of a request: None forwards it, an int answers with that status and no body, "cut" sends
# half of the body, "hang" sends nothing for longer than the client's timeout, an `Answer` is sent
# as it is, and a function changes the server's response.
Fault = Callable[[str, str], "int | str | Answer | Callable[[Answer], Answer] | None"]

_LENGTH = "content-length"
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.fault(self.command, self.path)
        if isinstance(fault, int):
            fault = Answer(fault, [], b"")
        if isinstance(fault, Answer):
            self._answer(fault)
            return
        if fault == "hang":
            time.sleep(self.server.hang_seconds)
        with closing(http.client.HTTPConnection(self.server.upstream, timeout=30)) as upstream:
            upstream.request(self.command, self.path, body, dict(self.headers.items()))
            answer = upstream.getresponse()
            relayed = Answer(answer.status, answer.getheaders(), answer.read())
        self._answer(fault(relayed) if callable(fault) else relayed, cut=fault == "cut")

    def _answer(self, answer: Answer, *, cut: bool = False) -> None:
        data, lengths = answer.body, {n: v for n, v in answer.headers if n.lower() == _LENGTH}
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _HOP_BY_HOP | {_LENGTH}:
                self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            data = chunk + b"0\r\n\r\n"
        else:
            self.send_header("Content-Length", next(iter(lengths.values()), str(len(data))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _relay  # noqa: N815 - http.server's names

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
