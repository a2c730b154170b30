"""Read a multipart request body as a stream, within its limits."""

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from ml.core.errors import RequestRejected
from ml.core.settings import Settings

IMAGE, KEY = "image", "key"
_MULTIPART = "multipart/form-data"
_MAX_KEY_BYTES = 1024  # of S3
_NO_KEY = ("Cc", "Cs")  # Unicode categories: control characters, halves of surrogate pairs
_SPOOL_BYTES = 2**40  # larger than any body: photos stay in memory and are counted there
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, 5.1.1


@dataclass(frozen=True)
class Upload:
    """Bytes of a file part, with the file name that the caller gave."""

    name: str
    data: bytes


@dataclass(frozen=True)
class MultipartBody:
    """The photos of a request: uploads, and keys of photos in the bucket."""

    uploads: tuple[Upload, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.uploads) + len(self.keys)


class _Parser(MultiPartParser):
    """Starlette's parser, keeping photos in memory and reporting a complete body."""

    spool_max_size = _SPOOL_BYTES
    ended = False

    def on_end(self) -> None:
        self.ended = True

    def discard(self) -> None:
        """Close the parts of a rejected body, including a truncated one."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_body(
    request: Request, settings: Settings, reserve: Callable[[int], None]
) -> MultipartBody:
    """Read and validate a body.

    `reserve` is called with the size of each chunk before the chunk is kept; it may raise.

    Raises:
        RequestRejected: 400 malformed or truncated, 408 too slow, 413 too large, 415 not multipart,
            422 without a photo, with unknown fields or with an invalid key.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _MULTIPART:
        raise RequestRejected(415, "not_multipart", f"send {_MULTIPART}")
    max_bytes = settings.serve_max_body_bytes
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(settings.serve_upload_timeout_seconds):
            form = await _parse(request, settings, reserve)
    except TimeoutError as error:
        detail = f"the body did not arrive within {settings.serve_upload_timeout_seconds:g} s"
        raise RequestRejected(408, "body_too_slow", detail) from error
    except ClientDisconnect as error:
        raise RequestRejected(400, "body_cut", "the connection ended in the body") from error
    try:
        return await _validate(form, settings)
    finally:
        await form.close()


async def _parse(request: Request, settings: Settings, reserve: Callable[[int], None]) -> FormData:
    parser = _Parser(
        _reduce_headers(request.headers),
        _limit(request.stream(), settings.serve_max_body_bytes, reserve),
        max_files=settings.serve_max_images,
        max_fields=settings.serve_max_images,
        max_part_size=_MAX_KEY_BYTES,
    )
    complete = False
    try:
        form = await parser.parse()
        complete = parser.ended
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise _too_many(settings) from error
        raise RequestRejected(400, "malformed_multipart", error.message) from error
    finally:
        if not complete:
            parser.discard()
    if not complete:
        raise RequestRejected(400, "body_cut", "the closing boundary is missing")
    return form


def _reduce_headers(headers: Headers) -> Headers:
    """Keep only the content type and its boundary: names are UTF-8, regardless of `charset`.

    Some of Python's codecs produce characters that JSON cannot represent, or unexpected errors.
    """
    _, options = parse_options_header(headers["content-type"])
    boundary = options.get(b"boundary", b"").decode("latin-1")
    if not _BOUNDARY.fullmatch(boundary):
        detail = "the boundary is missing or not a boundary"
        raise RequestRejected(400, "malformed_multipart", detail)
    return Headers({"content-type": f'{_MULTIPART}; boundary="{boundary}"'})


async def _limit(
    stream: AsyncGenerator[bytes, None], max_bytes: int, reserve: Callable[[int], None]
) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in stream:
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes)
        reserve(len(chunk))
        yield chunk


async def _validate(form: FormData, settings: Settings) -> MultipartBody:
    uploads, keys = [], []
    for field, value in form.multi_items():
        if field == IMAGE and isinstance(value, UploadFile):
            uploads.append(Upload(value.filename or "", await value.read()))
        elif field == IMAGE:
            detail = f"`{IMAGE}` must be a file part; text such as an address is not fetched"
            raise RequestRejected(422, "image_is_no_file", detail)
        elif field == KEY and isinstance(value, str):
            keys.append(_validate_key(value, settings.photo_prefix))
        else:
            detail = f"the fields are `{IMAGE}` (files) and `{KEY}` (text)"
            raise RequestRejected(422, "unknown_field", detail)
    body = MultipartBody(tuple(uploads), tuple(dict.fromkeys(keys)))
    if not len(body):
        raise RequestRejected(422, "no_image", f"no field `{IMAGE}` or `{KEY}`")
    if len(body) > settings.serve_max_images:
        raise _too_many(settings)
    return body


def _validate_key(value: str, prefix: str) -> str:
    """Return the key unchanged if it is under the photos' prefix; other objects are private."""
    fixed = prefix.partition("%")[0]
    suspicious = "://" in value or {"", ".", ".."} & set(value.split("/"))
    control = any(unicodedata.category(character) in _NO_KEY for character in value)
    if not value.startswith(fixed) or control or suspicious:
        detail = f"`{KEY}` must be an object's key under {fixed!r}; addresses are not fetched"
        raise RequestRejected(422, "not_a_photo_key", detail)
    return value


def _too_large(max_bytes: int) -> RequestRejected:
    return RequestRejected(413, "body_too_large", f"at most {max_bytes:,} bytes a request")


def _too_many(settings: Settings) -> RequestRejected:
    detail = f"at most {settings.serve_max_images} photos a request"
    return RequestRejected(413, "too_many_images", detail)
