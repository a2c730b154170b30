"""An HTTP server in place of an operator's webhook receiver."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

KEY = b"thirty-two bytes, for tests only"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
TOKEN = "token-in-the-address"


@dataclass(frozen=True)
class Request:
    """A received request; header names are lower-case."""

    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The JSON body."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def signed(self) -> bool:
        """Whether it is signed with KEY, computed here according to the specification."""
        number, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = b".".join((number.encode(), at.encode(), self.body))
        mac = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        return f"v1,{mac}" in self.headers["webhook-signature"].split(" ")


class Receiver:
    """Answers with the statuses in `answers`, one per request, then with 204."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.requests: list[Request] = []
        self.answers: list[int] = []
        self.url = f"http://127.0.0.1:{server.server_address[1]}/alerts/{TOKEN}"

    def next_answer(self) -> int:
        """Return the status for the current request."""
        return self.answers.pop(0) if self.answers else 204

    @property
    def keys(self) -> list[str]:
        """Type and key of each message, in order."""
        return [f"{r.content['type']} {r.content['data']['key']}" for r in self.requests]


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port of the loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.requests.append(Request(headers, body))
            status = receiver.next_answer()
            self.send_response(status)
            if status // 100 == 3:
                self.send_header("location", f"{receiver.url}/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver for one test."""
    with run_receiver() as started:
        yield started
