"""Where a machine gets the credentials of its role: EC2's and a container's endpoint, and STS.

One server on the loopback plays all of them; the credentials are those of a `TokenGate`.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.support.token_gate import Issued, TokenGate

ROLE = "moderation-role"
ROLE_ARN = f"arn:aws:iam::123456789012:role/{ROLE}"
POD_TOKEN = "the-pod's-own-token"
_METADATA = "/latest/meta-data/iam/security-credentials/"
_SESSION = "session-of-the-metadata-service"
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"


class CredentialSources:
    """What it gives; tests change it while it runs."""

    def __init__(self, gate: TokenGate) -> None:
        self.gate = gate
        self.url = ""
        self.has_role = True
        self.is_down = False
        self.sts_error = ""  # the code by which a role is refused
        self.requests: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_PUT(self) -> None:
        """Open a session of the metadata service, version 2."""
        self._note()
        has_ttl = "x-aws-ec2-metadata-token-ttl-seconds" in self.headers
        self._send(200 if has_ttl and self.path == "/latest/api/token" else 400, _SESSION)

    def do_GET(self) -> None:
        """Name the machine's role, or give its or a container's credentials."""
        sources = self._note()
        if sources.is_down:
            self._send(503, "")
        elif self.path == "/container":
            allowed = self.headers.get("Authorization") == POD_TOKEN
            self._send(*((200, _container_json(sources)) if allowed else (403, "{}")))
        elif self.headers.get("x-aws-ec2-metadata-token") != _SESSION:
            self._send(401, "")
        elif not sources.has_role or not self.path.startswith(_METADATA):
            self._send(404, "")
        else:
            self._send(200, ROLE if self.path == _METADATA else _machine_json(sources))

    def do_POST(self) -> None:
        """Let a web identity assume the role."""
        sources = self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        is_known = asked.get("WebIdentityToken") == POD_TOKEN and asked.get("RoleArn") == ROLE_ARN
        error = sources.sts_error or ("" if is_known else "InvalidIdentityToken")
        if asked.get("Action") != "AssumeRoleWithWebIdentity":
            error = "InvalidAction"
        if error:
            text = f"<Error><Type>Sender</Type><Code>{error}</Code><Message>no</Message></Error>"
            self._send(400, f'<ErrorResponse xmlns="{_STS}">{text}</ErrorResponse>')
        else:
            self._send(200, _assumed_xml(sources.gate.issue()))

    def _note(self) -> CredentialSources:
        self.server.sources.requests.append(f"{self.command} {self.path}")
        return self.server.sources

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _time(issued: Issued) -> str:
    return issued.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(issued: Issued) -> dict[str, str]:
    return {
        "AccessKeyId": issued.access_key,
        "SecretAccessKey": issued.secret_key,
        "Token": issued.token,
        "Expiration": _time(issued),
    }


def _machine_json(sources: CredentialSources) -> str:
    return json.dumps({"Code": "Success", "Type": "AWS-HMAC", **_json(sources.gate.issue())})


def _container_json(sources: CredentialSources) -> str:
    return json.dumps({"RoleArn": ROLE_ARN, **_json(sources.gate.issue())})


def _assumed_xml(issued: Issued) -> str:
    return (
        f'<AssumeRoleWithWebIdentityResponse xmlns="{_STS}"><AssumeRoleWithWebIdentityResult>'
        f"<Credentials><AccessKeyId>{issued.access_key}</AccessKeyId>"
        f"<SecretAccessKey>{issued.secret_key}</SecretAccessKey>"
        f"<SessionToken>{issued.token}</SessionToken><Expiration>{_time(issued)}</Expiration>"
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    sources: CredentialSources


@contextmanager
def credential_sources(gate: TokenGate) -> Iterator[CredentialSources]:
    """Yield running sources of the gate's credentials."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.sources = CredentialSources(gate)
    server.sources.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.sources
    server.shutdown()
    server.server_close()


def use_no_source(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Leave boto3's chain nothing to find on this machine, and no metadata service to ask."""
    for name in (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def use_machine_role(monkeypatch: pytest.MonkeyPatch, sources: CredentialSources) -> None:
    """Be an EC2 instance."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", sources.url)


def use_container_role(
    monkeypatch: pytest.MonkeyPatch, sources: CredentialSources, folder: Path
) -> None:
    """Be a container of ECS, or a pod of EKS with Pod Identity."""
    (folder / "pod-token").write_text(POD_TOKEN)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{sources.url}/container")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(folder / "pod-token"))


def use_web_identity(
    monkeypatch: pytest.MonkeyPatch, sources: CredentialSources, folder: Path
) -> None:
    """Be a pod of EKS with a role for its service account (IRSA)."""
    (folder / "web-identity").write_text(POD_TOKEN)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "web-identity"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE_ARN)
    monkeypatch.setenv("AWS_REGION", "eu-west-9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sources.url)


def use_profile(monkeypatch: pytest.MonkeyPatch, gate: TokenGate, folder: Path) -> None:
    """Have a profile's file, as another program writes it with new credentials."""
    issued = gate.issue()
    file = folder / "credentials"
    file.write_text(
        f"[shop]\naws_access_key_id = {issued.access_key}\n"
        f"aws_secret_access_key = {issued.secret_key}\naws_session_token = {issued.token}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "shop")
