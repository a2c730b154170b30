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
    """Turn every exception that Pillow raises for broken bytes into ImageRejected.

    Args:
        data: the bytes that are decoded in the block; their header is examined.

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


# (offset, magic bytes, name); Pillow's names for the formats that it knows.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftypheic", "HEIC"),  # iPhones store it
    (4, b"ftypheix", "HEIC"),
    (4, b"ftyphevc", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),  # BigTIFF
    (0, b"MM\x00+", "TIFF"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "PSD"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"\x00\x00\x02\x00", "CUR"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"icns", "ICNS"),
    (0, b"\x01\xda", "SGI"),
    (0, b"%!PS", "EPS"),
    (0, b"<svg", "SVG"),
    *((0, b"P%d\n" % kind, "PPM") for kind in range(1, 7)),
    (0, b"BM", "BMP"),  # last: two letters are the weakest evidence
)


def claimed_format(data: bytes) -> str | None:
    """Name the image format that the magic bytes claim, or None.

    Only magic bytes are compared. Pillow could distinguish more formats by opening the file with
    all of its parsers, but each parser is attack surface, which "unsupported" instead of "not an
    image" is not worth. Formats without magic bytes (TGA) or unknown here are "not an image".

    Args:
        data: the whole object or its beginning; at most 16 bytes are read.

    Returns:
        The format's name, such as "TIFF" or "HEIC"; None if no magic bytes match.
    """
    for offset, magic, name in _SIGNATURES:
        if data.startswith(magic, offset):
            return name
    return None
