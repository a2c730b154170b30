"""What Pillow raises for broken files -> ImageRejected with a reason."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from ml.errors import ImageRejected, QuarantineReason

# What Pillow's parsers raise for broken files, by its source and by flipping bytes at random.
DECODER_ERRORS = (
    OSError,  # most decoders; UnidentifiedImageError is one
    SyntaxError,  # Pillow's word for a bad header
    ValueError,  # impossible sizes, too large text chunks, bad numbers; UnicodeError is one
    LookupError,  # IndexError at the end of the data, KeyError for an unknown mode
    EOFError,
    struct.error,  # a header that ends early
    zlib.error,
    ArithmeticError,  # OverflowError, and ZeroDivisionError from rationals in metadata
    TypeError,  # metadata tags of the wrong type
    AttributeError,  # a parser that gave up half-way
    AssertionError,  # Pillow checks some of its input with assert
    RuntimeError,  # NotImplementedError and RecursionError are ones
    Warning,  # only where somebody else's filters turn warnings into errors
)


@contextmanager
def rejecting(data: bytes) -> Iterator[None]:
    """Turn everything that Pillow raises for broken bytes into ImageRejected.

    Args:
        data: the bytes that are decoded inside, for what their header declares.

    Raises:
        ImageRejected: `truncated` where the file ends early, `too_many_pixels` where Pillow or
            the memory refuses the size, otherwise `corrupt`; the cause is chained.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ImageRejected(QuarantineReason.TOO_MANY_PIXELS, _one_line(error)) from error
    except MemoryError as error:
        detail = "decoding needs more memory than this process may have"
        raise ImageRejected(QuarantineReason.TOO_MANY_PIXELS, detail) from error
    except DECODER_ERRORS as error:
        truncated = _ends_early(error, data)
        reason = QuarantineReason.TRUNCATED if truncated else QuarantineReason.CORRUPT
        raise ImageRejected(reason, _one_line(error)) from error


def _ends_early(error: BaseException, data: bytes) -> bool:
    """Tell a file whose end is missing from a damaged one, as far as the decoders tell."""
    if data.startswith(b"RIFF"):  # WebP declares its size, and its decoder says nothing
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    message = str(error).lower()
    return isinstance(error, EOFError) or "truncated" in message or "not enough" in message


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
