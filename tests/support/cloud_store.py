"""Small servers that refuse what Aliyun OSS, Tencent COS and AWS refuse, with their error bodies.

They speak virtual-hosted style alone, verify signatures, take no aws-chunked body and no trailer,
and demand Content-MD5 of DeleteObjects. They are reached as a proxy, so that their host names and
TLS are real. Sources: the vendors' pages of error codes; COS names none for a missing MD5, which
has AWS's here.
"""

import base64
import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
import trustme
from botocore.auth import HmacV1Auth, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE0", "only-of-this-test"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

_OSS_ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n  <Code>{code}</Code>\n'
    "  <Message>{message}</Message>\n  <RequestId>62C3D5E8B94B7E36332CBBFF</RequestId>\n"
    "  <HostId>{host}</HostId>\n  <EC>{ec}</EC>\n"
    "  <RecommendDoc>https://api.aliyun.com/troubleshoot?q={ec}</RecommendDoc>\n</Error>\n"
)
_COS_ERROR = (
    "<?xml version='1.0' encoding='utf-8' ?>\n<Error>\n\t<Code>{code}</Code>\n"
    "\t<Message>{message}</Message>\n\t<Resource>{host}</Resource>\n"
    "\t<RequestId>NjA0OGRhZjFfNjVkMQ==</RequestId>\n\t<TraceId>OGVmYzZiMmQzYjA2</TraceId>\n"
    "</Error>\n"
)


@dataclass(frozen=True)
class Vendor:
    """How one vendor words its refusals."""

    host: str
    region: str
    error: str
    path_style: tuple[str, str]
    no_md5: tuple[str, str] | None  # None: a checksum is enough


OSS = Vendor(
    "oss-cn-test.aliyuncs.com",
    "cn-test",
    _OSS_ERROR,
    ("SecondLevelDomainForbidden", "Please use virtual hosted style to access."),
    ("MissingArgument", "Missing Some Required Arguments."),
)
COS = Vendor(
    "cos.ap-test.myqcloud.com",
    "ap-test",
    _COS_ERROR,
    (
        "PathStyleDomainForbidden",
        (
            "The bucket you are attempting to access must be addressed using COS "
            "virtual-styled domain."
        ),
    ),
    ("MissingContentMD5", "Missing required header for this request: Content-MD5."),
)
# Reached without an endpoint. It accepts path style as well; here it does not, to see which it is.
AWS = Vendor(
    "s3.eu-west-1.amazonaws.com",
    "eu-west-1",
    "<Error><Code>{code}</Code><Message>{message}</Message><HostId>{host}</HostId></Error>",
    ("PermanentRedirect", "The bucket must be addressed using the specified endpoint."),
    None,
)


@dataclass
class CloudStore:
    """What such a server holds and has seen; tests change it while it runs."""

    vendor: Vendor
    bucket: str
    proxy_url: str = ""
    authorities: bytes = b""  # PEM, of its certificate
    objects: dict[str, bytes] = field(default_factory=dict)
    encryption: dict[str, dict[str, str]] = field(default_factory=dict)  # headers of each put
    archived: set[str] = field(default_factory=set)
    allowed_prefix: str = ""  # a policy: keys and listings outside of it are refused
    session_token: str | None = None
    signature: str = "v4"
    takes_bulk_delete: bool = True
    # Whether a put is refused for the encryption that its headers ask for: status and code.
    refuse_encryption: Callable[[dict[str, str]], tuple[int, str] | None] = lambda _: None
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def settings(self, scheme: str = "https") -> dict[str, Any]:
        """Return settings that reach it, besides those that a test is about."""
        is_named = self.vendor is not AWS
        return {
            "s3_endpoint_url": f"{scheme}://{self.vendor.host}" if is_named else None,
            "s3_region": None if is_named else self.vendor.region,
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
            "photo_bucket": self.bucket,
        }


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, ec: str = "0003-00000001") -> None:
        self.status, self.code, self.message, self.ec = status, code, message, ec


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_CONNECT(self) -> None:
        """Speak TLS in the tunnel, as the host that was asked for."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False  # which CONNECT, of HTTP/1.0, asks for

    def finish(self) -> None:
        """Close what `do_CONNECT` opened, too."""
        super().finish()
        self.connection.close()

    def _answer(self) -> None:
        store = self.server.store
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        host = self.headers["Host"]
        url = self.path if "://" in self.path else f"https://{host}{self.path}"
        store.requests.append((self.command, url, dict(self.headers.items())))
        try:
            _check_form(store, host, self.headers)
            check = _check_v4 if store.signature == "v4" else _check_v2
            check(store, self.command, url, dict(self.headers.items()))
            status, headers, answer = self._serve(store, body)
        except _Refused as refused:
            text = store.vendor.error.format(
                code=refused.code, message=refused.message, host=host, ec=refused.ec
            )
            status, headers, answer = (
                refused.status,
                {"Content-Type": "application/xml"},
                text.encode(),
            )
        self._send(status, headers, answer)

    def _send(self, status: int, headers: dict[str, str], answer: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(answer))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _serve(self, store: CloudStore, body: bytes) -> tuple[int, dict[str, str], bytes]:
        address = urlsplit(self.path)
        key, query = unquote(address.path[1:]), parse_qs(address.query, keep_blank_values=True)
        if self.command == "POST" and "delete" in query:
            return _delete_many(store, body, self.headers.get("Content-MD5"))
        if not key:
            return _list(store, query)
        _check_policy(store, key)
        if self.command == "PUT":
            return _put(store, key, body, dict(self.headers.items()))
        if self.command == "DELETE":
            store.objects.pop(key, None)
            return 204, {}, b""
        return _get(store, key)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _check_form(store: CloudStore, host: str, headers: Any) -> None:  # noqa: ANN401 - http.server's
    if host != f"{store.bucket}.{store.vendor.host}":
        raise _Refused(403, *store.vendor.path_style, "0003-00001401")
    is_chunked = "aws-chunked" in headers.get("Content-Encoding", "")
    digest = headers.get("X-Amz-Content-SHA256", "")
    if is_chunked or digest.startswith("STREAMING-") or "X-Amz-Trailer" in headers:
        raise _Refused(
            400,
            "InvalidArgument",
            "aws-chunked encoding is not supported with the specified x-amz-content-sha256 value.",
            "0017-00000804",
        )


def _check_v4(store: CloudStore, method: str, url: str, headers: dict[str, str]) -> None:
    found = re.match(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d+/([^/]+)/s3/aws4_request, ?"
        r"SignedHeaders=([^,]+), ?Signature=(\w+)",
        headers.get("Authorization", ""),
    )
    lowered = {name.lower(): value for name, value in headers.items()}
    if found is None or found[1] != ACCESS_KEY:
        raise _Refused(403, "InvalidAccessKeyId", "The Access Key Id does not exist.")
    if found[2] != store.vendor.region:
        raise _Refused(400, "AuthorizationHeaderMalformed", "the region is wrong")
    signed = {name: lowered[name] for name in found[3].split(";")}
    request = AWSRequest(method, url, headers=signed)
    request.context["timestamp"] = lowered["x-amz-date"]
    auth = S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", store.vendor.region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    _check_signature(store, auth.signature(text, request), found[4], lowered)


class _V2(HmacV1Auth):
    def __init__(self, date: str) -> None:
        super().__init__(Credentials(ACCESS_KEY, SECRET_KEY))
        self._date = date

    def _get_date(self) -> str:
        return self._date


def _check_v2(store: CloudStore, method: str, url: str, headers: dict[str, str]) -> None:
    kind, _, credential = headers.get("Authorization", "").partition(" ")
    key, _, signature = credential.partition(":")
    if kind != "AWS" or key != ACCESS_KEY:
        raise _Refused(403, "InvalidAccessKeyId", "The Access Key Id does not exist.")
    request = AWSRequest(method, url, headers=headers)
    address = urlsplit(url)
    path = f"/{store.bucket}{address.path or '/'}"
    auth = _V2(headers["Date"])
    expected = auth.get_signature(method, address, request.headers, auth_path=path)
    lowered = {name.lower(): value for name, value in headers.items()}
    _check_signature(store, expected, signature, lowered)


def _check_signature(
    store: CloudStore, expected: str, signature: str, headers: dict[str, str]
) -> None:
    if headers.get("x-amz-security-token") != store.session_token:
        raise _Refused(403, "InvalidSecurityToken", "The security token is invalid.")
    if signature != expected:
        raise _Refused(403, "SignatureDoesNotMatch", "The request signature does not match.")


def _check_policy(store: CloudStore, prefix: str) -> None:
    if not prefix.startswith(store.allowed_prefix):
        raise _Refused(403, "AccessDenied", "You have no right to access this object.")


def _put(
    store: CloudStore, key: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    asked = {name.lower(): value for name, value in headers.items() if "encryption" in name.lower()}
    if refusal := store.refuse_encryption(asked):
        raise _Refused(*refusal, "The server-side encryption was refused.")
    store.objects[key], store.encryption[key] = body, asked
    return 200, {"ETag": _etag(body)}, b""


def _get(store: CloudStore, key: str) -> tuple[int, dict[str, str], bytes]:
    if key in store.archived:
        raise _Refused(
            403, "InvalidObjectState", "The operation is not valid for the object's state"
        )
    if key not in store.objects:
        raise _Refused(404, "NoSuchKey", "The specified key does not exist.")
    data = store.objects[key]
    headers = {"ETag": _etag(data), "Last-Modified": formatdate(usegmt=True)}
    return 200, headers | store.encryption.get(key, {}), data


def _list(store: CloudStore, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
    prefix = query.get("prefix", [""])[0]
    _check_policy(store, prefix)
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><ETag>{escape(_etag(data))}</ETag>"
        f"<Size>{len(data)}</Size><LastModified>2026-11-01T00:00:00.000Z</LastModified></Contents>"
        for key, data in sorted(store.objects.items())
        if key.startswith(prefix)
    )
    text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    return 200, {"Content-Type": "application/xml"}, text.encode()


def _delete_many(
    store: CloudStore, body: bytes, md5: str | None
) -> tuple[int, dict[str, str], bytes]:
    if not store.takes_bulk_delete:
        raise _Refused(501, "NotImplemented", "A header or query is not implemented.")
    if md5 is None and store.vendor.no_md5 is not None:
        raise _Refused(400, *store.vendor.no_md5, "0016-00000606")
    if (
        md5 is not None
        and base64.b64decode(md5) != hashlib.md5(body, usedforsecurity=False).digest()
    ):
        raise _Refused(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
    keys = re.findall(r"<Key>([^<]*)</Key>", body.decode())
    for key in keys:
        store.objects.pop(key, None)
    deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
    text = f"<DeleteResult>{deleted}</DeleteResult>"
    return 200, {"Content-Type": "application/xml"}, text.encode()


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    store: CloudStore
    tls: ssl.SSLContext

    def handle_error(self, *_: object) -> None:
        """Ignore clients that break off, as one does that trusts another authority."""


@contextmanager
def reachable_store(
    vendor: Vendor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CloudStore]:
    """Yield a running store that the environment of this process leads to."""
    with cloud_store(vendor) as store:
        for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, store.proxy_url)
        bundle = folder / "authorities.pem"
        bundle.write_bytes(store.authorities)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        yield store


@contextmanager
def cloud_store(vendor: Vendor, bucket: str = "shop-photos") -> Iterator[CloudStore]:
    """Yield a running store; `HTTPS_PROXY` and `AWS_CA_BUNDLE` lead to it."""
    server = _Server(("127.0.0.1", 0), _Handler)
    authority = trustme.CA()
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(vendor.host, f"*.{vendor.host}").configure_cert(server.tls)
    server.store = CloudStore(vendor, bucket, f"http://127.0.0.1:{server.server_port}")
    server.store.authorities = authority.cert_pem.bytes()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.store
    server.shutdown()
    server.server_close()
