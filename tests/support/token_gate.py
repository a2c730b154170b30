"""A gate before the object storage that lets temporary credentials in, as AWS does.

It verifies the signature of version 4 and the session token, and forwards to the real server with
the keys that this has.
"""

import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ml.core.settings import Settings
from tests.support.faulty_proxy import Answer, s3_error

REGION = "us-east-1"
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d+/[^/]+/s3/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=(\w+)"
)
_OF_CONNECTION = {"connection", "transfer-encoding", "keep-alive", "content-length"}


@dataclass(frozen=True)
class Issued:
    """Temporary credentials, as a role gets them."""

    access_key: str
    secret_key: str
    token: str
    expires_at: datetime


@dataclass
class TokenGate:
    """Whose credentials are good; tests change it while it runs."""

    upstream: str
    keys: Credentials
    url: str = ""
    lifetime: timedelta = timedelta(hours=6)
    before: Callable[[], None] = lambda: None  # called before each request
    issued: dict[str, Issued] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)  # the codes of refused requests
    agents: list[str] = field(default_factory=list)  # of accepted ones

    def issue(self) -> Issued:
        """Return new credentials."""
        new = Issued(
            f"ASIA{secrets.token_hex(8).upper()}",
            secrets.token_hex(20),
            secrets.token_hex(40),
            datetime.now(UTC) + self.lifetime,
        )
        self.issued[new.access_key] = new
        return new

    def expire_all(self) -> None:
        """Let all credentials that were issued expire now, whatever they say."""
        self.revoked |= set(self.issued)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _relay(self) -> None:
        gate = self.server.gate
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        gate.before()
        code = _refusal(gate, self.command, self.path, dict(self.headers.items()))
        if code:
            gate.refused.append(code)
            self._answer(s3_error(403 if code.startswith("Signature") else 400, code))
            return
        gate.agents.append(self.headers.get("User-Agent", ""))
        self._answer(_forward(gate, self.command, self.path, dict(self.headers.items()), body))

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        lengths = [v for n, v in answer.headers if n.lower() == "content-length"]
        for name, value in answer.headers:
            if name.lower() not in _OF_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", lengths[0] if lengths else str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _relay  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _refusal(gate: TokenGate, method: str, path: str, headers: dict[str, str]) -> str:
    """Return the code by which a request is refused, or ""."""
    lowered = {name.lower(): value for name, value in headers.items()}
    found = _CREDENTIAL.match(lowered.get("authorization", ""))
    issued = gate.issued.get(found[1]) if found else None
    # S3 does not know a temporary key without its token.
    if found is None or issued is None or "x-amz-security-token" not in lowered:
        return "InvalidAccessKeyId"
    if lowered["x-amz-security-token"] != issued.token:
        return "InvalidToken"
    if issued.access_key in gate.revoked or issued.expires_at < datetime.now(UTC):
        return "ExpiredToken"
    request = AWSRequest(method, f"{gate.url}{path}")
    for name in found[2].split(";"):
        request.headers[name] = lowered[name]
    request.context["timestamp"] = lowered["x-amz-date"]
    keys = Credentials(issued.access_key, issued.secret_key, issued.token)
    auth = S3SigV4Auth(keys, "s3", REGION)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return "" if auth.signature(text, request) == found[3] else "SignatureDoesNotMatch"


def _forward(
    gate: TokenGate, method: str, path: str, headers: dict[str, str], body: bytes
) -> Answer:
    own = ("authorization", "x-amz-security-token", "x-amz-date", "host", "content-length")
    kept = {n: v for n, v in headers.items() if n.lower() not in own}
    request = AWSRequest(method, f"http://{gate.upstream}{path}", headers=kept, data=body)
    S3SigV4Auth(gate.keys, "s3", REGION).add_auth(request)
    with closing(HTTPConnection(gate.upstream, timeout=30)) as upstream:
        upstream.request(method, path, body, dict(request.headers.items()))
        answer = upstream.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    gate: TokenGate


@contextmanager
def token_gate(settings: Settings) -> Iterator[TokenGate]:
    """Yield a running gate before the object storage of the settings."""
    assert settings.s3_access_key
    assert settings.s3_secret_key
    keys = Credentials(
        settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value()
    )
    server = _Server(("127.0.0.1", 0), _Handler)
    gate = TokenGate(urlsplit(settings.s3_endpoint_url or "").netloc, keys)
    gate.url = f"http://127.0.0.1:{server.server_port}"
    server.gate = gate
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield gate
    server.shutdown()
    server.server_close()
