"""An HTTP proxy in front of the bucket that changes answers as one fault says."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

_OWN_HEADERS = {"connection", "transfer-encoding", "keep-alive", "content-length"}
_ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
    "<Message>made by a test</Message><RequestId>1</RequestId></Error>"
)
_HTML = b"<html><head><title>Sign in</title></head><body>Network login</body></html>"
_CONTENTS = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)


@dataclass(frozen=True)
class Request:
    """A request to the bucket; `key` is empty where it lists."""

    method: str
    path: str

    @property
    def key(self) -> str:
        """The key of the object."""
        return unquote(urlsplit(self.path).path).removeprefix("/").partition("/")[2]

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return urlsplit(self.path).path.removeprefix("/").partition("/")[0]

    @property
    def is_listing(self) -> bool:
        """Whether it lists keys."""
        return self.method == "GET" and "list-type" in parse_qs(urlsplit(self.path).query)

    @property
    def reads_object(self) -> bool:
        """Whether it reads an object's bytes."""
        return self.method == "GET" and bool(self.key)


@dataclass(frozen=True)
class Answer:
    """An answer; `declared` is its Content-Length where that is not the length of the body.

    Names of headers are lower-case.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    declared: int | None = None

    def with_headers(self, **headers: str | None) -> "Answer":
        """Return it with some headers replaced, or removed where the value is None."""
        changed = {**self.headers, **headers}
        kept = {name: value for name, value in changed.items() if value is not None}
        return replace(self, headers=kept)


Forward = Callable[[], Answer]
# The answer to a request; `forward()` asks the real bucket.
Change = Callable[[Request, Forward], Answer]


def xml_error(status: int, code: str) -> Change:
    """Answer with an error of S3."""
    body = _ERROR.format(code=code).encode()
    return lambda _, __: Answer(status, {"content-type": "application/xml"}, body)


def html_page(_: Request, __: Forward) -> Answer:
    """Answer with a page that is no answer of S3, as a captive portal does."""
    return Answer(200, {"content-type": "text/html"}, _HTML)


def cut_body(_: Request, forward: Forward) -> Answer:
    """Send half of the announced bytes, and close."""
    answer = forward()
    return replace(answer, body=answer.body[: len(answer.body) // 2], declared=len(answer.body))


def short_body(_: Request, forward: Forward) -> Answer:
    """Send half of the bytes with a Content-Length that fits them."""
    answer = forward()
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def empty_body(_: Request, forward: Forward) -> Answer:
    """Send no bytes, consistently."""
    return replace(forward(), body=b"")


def without_etag(_: Request, forward: Forward) -> Answer:
    """Leave out the ETag."""
    return forward().with_headers(etag=None)


def weak_etag(request: Request, forward: Forward) -> Answer:
    """Make the ETag of an object weak, as a compressing proxy does."""
    answer = forward()
    etag = answer.headers.get("etag")
    return answer.with_headers(etag=f"W/{etag}") if etag and request.key else answer


def other_bytes(data: bytes) -> Change:
    """Send another photo's bytes under the right ETag."""
    return lambda _, forward: replace(forward(), body=data)


def without_element(name: str) -> Change:
    """Remove an element from a listing."""
    element = re.compile(rf"<{name}>.*?</{name}>".encode())

    def change(_: Request, forward: Forward) -> Answer:
        answer = forward()
        return replace(answer, body=element.sub(b"", answer.body))

    return change


def duplicated_keys(_: Request, forward: Forward) -> Answer:
    """Name every second key of a page twice."""
    answer = forward()
    numbers = iter(range(len(answer.body)))
    doubled = _CONTENTS.sub(lambda m: m[0] * (1 + next(numbers) % 2), answer.body)
    return replace(answer, body=doubled)


def hang(seconds: float) -> Change:
    """Answer late."""

    def change(_: Request, forward: Forward) -> Answer:
        time.sleep(seconds)
        return forward()

    return change


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path)
        forward = partial(_ask, self.server.upstream, request, dict(self.headers.items()), body)
        with suppress(OSError):
            self._send(self.server.change(request, forward))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name not in _OWN_HEADERS:
                self.send_header(name, value)
        length = len(answer.body) if answer.declared is None else answer.declared
        if self.command == "HEAD":
            length = int(answer.headers.get("content-length", 0))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.close_connection = self.close_connection or answer.declared is not None

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _relay  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _ask(upstream: str, request: Request, headers: dict[str, str], body: bytes) -> Answer:
    with closing(http.client.HTTPConnection(upstream, timeout=30)) as connection:
        connection.request(request.method, request.path, body, headers)
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, response.read())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    change: Change
    upstream: str

    def handle_error(self, *_: object) -> None:
        """Ignore clients that disconnect."""


@contextmanager
def faulty_bucket(endpoint: str, change: Change) -> Iterator[str]:
    """Yield the URL of a proxy of `endpoint`, whose answers `change` makes."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.change, server.upstream = change, urlsplit(endpoint).netloc
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
