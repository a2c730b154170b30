"""Hundreds of hostile bodies, equal in every run, and requests that are not valid HTTP."""

import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.integration.moderation.serving.photos import png_of
from tests.support.photos import photo

BOUNDARY = "b0undary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
SEED = 20261126
_CODECS = ("no-such", "utf-7", "unicode_escape", "idna", "punycode", "hex", "utf-16")


@dataclass(frozen=True)
class Hostile:
    """A body with its content type; `may_pass`: it may happen to be a valid photo."""

    kind: str
    body: bytes
    content_type: str = MULTIPART
    may_pass: bool = False


def part(name: str, data: bytes, *, filename: str | None = "a.jpg", more: str = "") -> bytes:
    """One part of a multipart body."""
    file = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{more}\r\n'
    return head.encode() + data + b"\r\n"


def whole(*parts: bytes) -> bytes:
    """A closed multipart body."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def bodies(number: int) -> Iterator[Hostile]:
    """`number` bodies, cycling through the kinds."""
    draw = random.Random(SEED)  # noqa: S311 - the same in every run
    jpeg = photo(size=(160, 120))
    makers = (
        _random_image, _random_body, _fuzzed_jpeg, _cut_photo, _cut_multipart, _wrong_type,
        _bomb, _odd_fields, _odd_headers, _odd_key, _nothing,
    )  # fmt: skip
    for n in range(number):
        yield makers[n % len(makers)](draw, jpeg, n)


def _random_image(draw: random.Random, _jpeg: bytes, _n: int) -> Hostile:
    return Hostile("random image", whole(part("image", draw.randbytes(draw.randrange(1, 4000)))))


def _random_body(draw: random.Random, _jpeg: bytes, _n: int) -> Hostile:
    return Hostile("random body", draw.randbytes(draw.randrange(4000)))


def _fuzzed_jpeg(draw: random.Random, jpeg: bytes, _n: int) -> Hostile:
    data = bytearray(jpeg)
    for _ in range(draw.randrange(1, 60)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return Hostile("fuzzed JPEG", whole(part("image", bytes(data))), may_pass=True)


def _cut_photo(draw: random.Random, jpeg: bytes, _n: int) -> Hostile:
    return Hostile("cut photo", whole(part("image", jpeg[: draw.randrange(len(jpeg) // 2)])))


def _cut_multipart(draw: random.Random, jpeg: bytes, _n: int) -> Hostile:
    body = whole(part("image", jpeg), part("image", jpeg))
    # After the two dashes of the last boundary the body is complete.
    return Hostile("cut multipart", body[: draw.randrange(len(body) - 5)])


def _wrong_type(draw: random.Random, jpeg: bytes, _n: int) -> Hostile:
    types = (
        "", "image/jpeg", "application/json", "multipart/form-data", "multipart/mixed; boundary=b",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=other", "text/plain",
        "application/x-www-form-urlencoded", "multipart/form-data; boundary=" + "x" * 5000, "\xff",
        *(f"{MULTIPART}; charset={name}" for name in _CODECS),
    )  # fmt: skip
    given = draw.choice(types)
    # If the codec were used, the name would be a lone surrogate.
    body = whole(part("image", jpeg, filename="+2AA-\\ud800"))
    return Hostile("wrong type", body, given, may_pass="charset" in given)


def _bomb(_draw: random.Random, _jpeg: bytes, n: int) -> Hostile:
    number = n % len(_bombs())
    # Browsers show a truncated PNG as far as it goes, and one whose metadata are large.
    may_pass = number in (_SHORT, _TEXT)
    return Hostile("bomb", whole(part("image", _bombs()[number])), may_pass=may_pass)


_SHORT, _TEXT = 4, 5  # of the bombs: well-formed, with fewer rows than declared; with a large text


@cache
def _bombs() -> tuple[bytes, ...]:
    draw = random.Random(SEED)  # noqa: S311 - the same in every run
    text = b"k\0\0" + zlib.compress(bytes(30_000_000), 9)
    return (
        png_of(60_000, 60_000), png_of(2**31 - 1, 2**31 - 1), png_of(0, 0), png_of(8000, 3),
        png_of(3_000, 3_000, rows=200), _png_with(b"zTXt", text),
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + draw.randbytes(200),
        b"BM" + struct.pack("<IHHI", 2**31, 0, 0, 54) + struct.pack("<Iii", 40, 2**30, 2**30),
        b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WEBPVP8X" + draw.randbytes(40),
    )  # fmt: skip


def _png_with(kind: bytes, data: bytes) -> bytes:
    png = png_of(64, 64)
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png[:33] + chunk + png[33:]


def _odd_fields(draw: random.Random, jpeg: bytes, _n: int) -> Hostile:
    return Hostile("odd fields", draw.choice([
        whole(part("images", jpeg)),
        whole(part("", jpeg)),
        whole(part("image", b"http://127.0.0.1:1/a.jpg", filename=None)),
        whole(part("image", jpeg), part("callback", b"http://127.0.0.1:1/", filename=None)),
        whole(part("key", jpeg)),
        whole(*(part("image", jpeg) for _ in range(40))),
        whole(*(part("key", b"reviews/x", filename=None) for _ in range(40))),
        whole(part("key", b"x" * 5000, filename=None)),
        whole(part("image", b"")),
    ]))  # fmt: skip


def _odd_headers(draw: random.Random, jpeg: bytes, _n: int) -> Hostile:
    nameless = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode() + jpeg + b"\r\n"
    return Hostile("odd headers", draw.choice([
        whole(nameless),
        whole(part("image", jpeg, more="X-A: " + "a" * 50_000 + "\r\n")),
        whole(part("image", jpeg, more="".join(f"X-{n}: 1\r\n" for n in range(200)))),
        whole(part("image", jpeg, more="no colon\r\n")),
        whole(part("image", jpeg, more="Content\xffType: \x01\r\n")),
    ]))  # fmt: skip


def _odd_key(draw: random.Random, _jpeg: bytes, _n: int) -> Hostile:
    return Hostile("odd key", whole(part("key", draw.choice([
        b"", b"\0", b"../../etc/passwd", b"file:///etc/passwd", b"http://169.254.169.254/",
        b"reviews/../models/x", b"REVIEWS/x", b"reviews/\xff\xfe", draw.randbytes(60),
        b"s3://moderation/models", b"reviews/0/../../x?versionId=1", b"' or 1=1 --",
    ]), filename=None)))  # fmt: skip


def _nothing(draw: random.Random, _jpeg: bytes, _n: int) -> Hostile:
    return Hostile("nothing", draw.choice([b"", whole(), b"\r\n" * 50, b"--" * 500, whole()[:-4]]))


def odd_files(folder: Path) -> Iterator[Hostile]:
    """The files of a folder, each as a photo."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        body = whole(part("image", path.read_bytes()))
        yield Hostile(f"odd file {path.name}", body, may_pass=True)


def raw_requests(token: str) -> dict[str, bytes]:
    """Complete requests, as bytes, that no client library would send."""
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    typed = f"{head}Content-Type: {MULTIPART}\r\n"
    requests = {
        "no HTTP": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "long header": f"{head}X-Long: {'a' * 200_000}\r\n\r\n",
        "many headers": head + "".join(f"X-{n}: 1\r\n" for n in range(20_000)) + "\r\n",
        "huge length": f"{typed}Content-Length: {10**15}\r\n\r\n",
        "length of 5,000 digits": f"{typed}Content-Length: {'9' * 5000}\r\n\r\n",
        "negative length": f"{typed}Content-Length: -1\r\n\r\n",
        "two lengths": f"{typed}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "unknown encoding": f"{typed}Transfer-Encoding: gzip\r\n\r\nabc",
        "chunk of no size": f"{typed}Transfer-Encoding: chunked\r\n\r\nzzz\r\nabc\r\n",
        "a body that does not come": f"{typed}Content-Length: 5000\r\n\r\nabc",
        "no host": "POST /predict HTTP/1.1\r\n\r\n",
        "unknown method": head.replace("POST", "BREW") + "\r\n",
        "unknown route": head.replace("/predict", "/../../etc/passwd") + "\r\n",
    }
    return {name: text.encode("latin-1") for name, text in requests.items()}
