"""Map decoder errors to rejections, and recognize file formats by their magic bytes."""

import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason

# Pillow's warnings (odd EXIF, a malformed MPO index, an APNG without frames) concern one photo;
# its outcome, a picture or a rejection, already says what matters.
_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_LOCK = threading.Lock()


def silence_pillow() -> None:
    """Put a filter that ignores Pillow's warnings first in the process's warning filters.

    `warnings.catch_warnings` is not thread-safe before Python 3.14: it swaps the global filters, so
    two decoding threads would restore each other's. This function only adds a filter. It is called
    before each decode, because `catch_warnings` in another thread may have dropped the filter.
    """
    if _is_first():
        return
    with _LOCK:  # filterwarnings() is not atomic: it removes and then inserts
        if not _is_first():
            warnings.filterwarnings("ignore", module=_FILTER[3].pattern)


def _is_first() -> bool:
    return bool(warnings.filters) and warnings.filters[0] == _FILTER


# The exceptions of Pillow's parsers for broken files, from its source and from random byte flips.
DECODER_ERRORS = (
    OSError,  # most decoders; UnidentifiedImageError is one
    SyntaxError,  # Pillow raises it for a bad header
    ValueError,  # impossible sizes, too large text chunks, bad numbers; UnicodeError is one
    LookupError,  # IndexError at the end of the data, KeyError for an unknown mode
    EOFError,
    struct.error,  # a header that ends early
    zlib.error,
    ArithmeticError,  # OverflowError, and ZeroDivisionError from rationals in metadata
    TypeError,  # metadata tags of the wrong type
    AttributeError,  # a parser that gave up midway
    AssertionError,  # Pillow checks some of its input with assert
    RuntimeError,  # NotImplementedError and RecursionError are subclasses
    Warning,  # only if other filters turn warnings into errors
)


@contextmanager
def map_decode_errors(data: bytes) -> Iterator[None]:
    """Turn every exception that Pillow raises for broken bytes, `data`, into ImageRejected.

    Raises:
        ImageRejected: `truncated` if the file ends early, `too_many_pixels` if Pillow rejects the
            size or memory runs out, otherwise `corrupt`; the cause is chained.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ImageRejected(QuarantineReason.TOO_MANY_PIXELS, _one_line(error)) from error
    except MemoryError as error:
        detail = "decoding needs more memory than this process may have"
        raise ImageRejected(QuarantineReason.TOO_MANY_PIXELS, detail) from error
    except DECODER_ERRORS as error:
        truncated = _is_truncated(error, data)
        reason = QuarantineReason.TRUNCATED if truncated else QuarantineReason.CORRUPT
        raise ImageRejected(reason, _one_line(error)) from error


def _is_truncated(error: BaseException, data: bytes) -> bool:
    """Whether the end of the file is missing, as far as the decoders report it."""
    if data.startswith(b"RIFF"):  # WebP declares its size; its decoder does not report the cause
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    message = str(error).lower()
    return isinstance(error, EOFError) or "truncated" in message or "not enough" in message


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


# Name, offset and magic bytes; Pillow's names for the formats that it knows.
_SIGNATURES = (
    ("JPEG", 0, (b"\xff\xd8\xff",)),
    ("PNG", 0, (b"\x89PNG\r\n\x1a\n",)),
    ("GIF", 0, (b"GIF87a", b"GIF89a")),
    ("WEBP", 8, (b"WEBP",)),
    ("AVIF", 4, (b"ftypavif", b"ftypavis")),
    ("HEIF", 4, (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")),  # HEIC, too
    ("TIFF", 0, (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),  # with + it is BigTIFF
    ("JPEG2000", 0, (b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")),
    ("JPEG XL", 0, (b"\x00\x00\x00\x0cJXL ", b"\xff\x0a")),
    ("PSD", 0, (b"8BPS",)),
    ("ICO", 0, (b"\x00\x00\x01\x00",)),
    ("CUR", 0, (b"\x00\x00\x02\x00",)),
    ("DDS", 0, (b"DDS ",)),
    ("QOI", 0, (b"qoif",)),
    ("ICNS", 0, (b"icns",)),
    ("SGI", 0, (b"\x01\xda",)),
    ("EPS", 0, (b"%!PS",)),
    ("SVG", 0, (b"<svg",)),
    ("PPM", 0, tuple(b"P%d\n" % kind for kind in range(1, 7))),
    ("BMP", 0, (b"BM",)),  # last: two letters are the weakest evidence
)


def claimed_format(data: bytes) -> str | None:
    """Name of the image format that the magic bytes claim, such as "TIFF"; None if none match.

    Only the first 16 bytes are read. Pillow could distinguish more formats by opening the file with
    all of its parsers, but each parser is attack surface, which "unsupported" instead of "not an
    image" is not worth. Formats without magic bytes (TGA) or unknown here are "not an image".
    """
    names = (name for name, offset, magic in _SIGNATURES if data.startswith(magic, offset))
    return next(names, None)
