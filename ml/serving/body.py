"""The body of a request: multipart, read as it streams in, never over its limits."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from ml.errors import RequestRefused
from ml.settings import Settings

IMAGE, KEY = "image", "key"
_MULTIPART = "multipart/form-data"
_KEY_BYTES = 1024  # the longest key of S3
_SPOOL = 2**40  # over any body: photos stay in memory, where they are counted
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046, 5.1.1
_TIMEOUT, _TOO_LARGE, _UNSUPPORTED, _BAD, _UNPROCESSABLE = 408, 413, 415, 400, 422


@dataclass(frozen=True)
class Upload:
    """Bytes that came with the request, under the name that the caller gave them."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Body:
    """What is to be judged: photos, and keys of photos in the bucket."""

    uploads: tuple[Upload, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.uploads) + len(self.keys)


class _Parser(MultiPartParser):
    """Starlette's parser, which keeps photos in memory and tells whether the body was whole."""

    spool_max_size = _SPOOL
    ended = False

    def on_end(self) -> None:
        self.ended = True

    def discard(self) -> None:
        """Close the parts of a body that is refused: a part that was cut is in no form."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_body(request: Request, settings: Settings, hold: Callable[[int], None]) -> Body:
    """Read and check a body.

    Args:
        request: nothing of it is read yet.
        settings: the limits.
        hold: is told of each chunk before it is kept; refuses by raising.

    Raises:
        RequestRefused: 400 malformed or cut, 408 too slow, 413 too large, 415 no multipart,
            422 without a photo, with unknown fields or with something that is no key.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _MULTIPART:
        raise RequestRefused(_UNSUPPORTED, "not_multipart", f"send {_MULTIPART}")
    most = settings.serve_max_body_bytes
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(settings.serve_body_seconds):
            form = await _parsed(request, settings, hold)
    except TimeoutError as error:
        detail = f"the body did not arrive within {settings.serve_body_seconds:g} s"
        raise RequestRefused(_TIMEOUT, "body_too_slow", detail) from error
    except ClientDisconnect as error:
        raise RequestRefused(_BAD, "body_cut", "the connection ended in the body") from error
    try:
        return await _checked(form, settings)
    finally:
        await form.close()


async def _parsed(request: Request, settings: Settings, hold: Callable[[int], None]) -> FormData:
    parser = _Parser(
        _plain_headers(request.headers),
        _counted(request.stream(), settings.serve_max_body_bytes, hold),
        max_files=settings.serve_max_images,
        max_fields=settings.serve_max_images,
        max_part_size=_KEY_BYTES,
    )
    whole = False
    try:
        form = await parser.parse()
        whole = parser.ended
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise _too_many(settings) from error
        raise RequestRefused(_BAD, "malformed_multipart", error.message) from error
    finally:
        if not whole:
            parser.discard()
    if not whole:
        raise RequestRefused(_BAD, "body_cut", "the closing boundary is missing")
    return form


def _plain_headers(headers: Headers) -> Headers:
    """The content type with its boundary alone: names are UTF-8, whatever `charset` says.

    Some of Python's codecs make characters that no JSON can hold, or raise other errors than the
    parser expects.
    """
    _, options = parse_options_header(headers["content-type"])
    boundary = options.get(b"boundary", b"").decode("latin-1")
    if not _BOUNDARY.fullmatch(boundary):
        raise RequestRefused(_BAD, "malformed_multipart", "the boundary is missing or no boundary")
    return Headers({"content-type": f'{_MULTIPART}; boundary="{boundary}"'})


async def _counted(
    stream: AsyncGenerator[bytes, None], most: int, hold: Callable[[int], None]
) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for chunk in stream:
        seen += len(chunk)
        if seen > most:
            raise _too_large(most)
        hold(len(chunk))
        yield chunk


async def _checked(form: FormData, settings: Settings) -> Body:
    uploads, keys = [], []
    for field, value in form.multi_items():
        if field == IMAGE and isinstance(value, UploadFile):
            uploads.append(Upload(value.filename or "", await value.read()))
        elif field == IMAGE:
            detail = f"`{IMAGE}` must be a file part; text such as an address is not fetched"
            raise RequestRefused(_UNPROCESSABLE, "image_is_no_file", detail)
        elif field == KEY and isinstance(value, str):
            keys.append(_key(value, settings.photo_prefix))
        else:
            detail = f"the fields are `{IMAGE}` (files) and `{KEY}` (text)"
            raise RequestRefused(_UNPROCESSABLE, "unknown_field", detail)
    body = Body(tuple(uploads), tuple(dict.fromkeys(keys)))
    if not len(body):
        raise RequestRefused(_UNPROCESSABLE, "no_image", f"no field `{IMAGE}` or `{KEY}`")
    if len(body) > settings.serve_max_images:
        raise _too_many(settings)
    return body


def _key(value: str, prefix: str) -> str:
    """A key as it is, if it is one of the shop's photos: what lies elsewhere is not shown."""
    fixed = prefix.partition("%")[0]
    odd = "://" in value or {"", ".", ".."} & set(value.split("/"))
    if not value.startswith(fixed) or not value.isprintable() or odd:
        detail = f"`{KEY}` must be an object's key under {fixed!r}; addresses are not fetched"
        raise RequestRefused(_UNPROCESSABLE, "not_a_photo_key", detail)
    return value


def _too_large(most: int) -> RequestRefused:
    return RequestRefused(_TOO_LARGE, "body_too_large", f"at most {most:,} bytes a request")


def _too_many(settings: Settings) -> RequestRefused:
    detail = f"at most {settings.serve_max_images} photos a request"
    return RequestRefused(_TOO_LARGE, "too_many_images", detail)
