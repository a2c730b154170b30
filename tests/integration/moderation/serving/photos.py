"""Photos that cannot be scored, one for each reason."""

import io
import struct
import zlib

from PIL import Image

from tests.support.photos import photo
from tests.unit.vision.images.animations import chunk, insert_chunks
from tests.unit.vision.images.pictures import encoded
from tests.unit.vision.images.pictures import photo as picture

_MOST_ZEROS = 4_000_000


def png_of(width: int, height: int, *, rows: int = 1) -> bytes:
    """A PNG with a declared size; its few bytes of pixel data inflate to full rows of zeros.

    At most a few million zeros, however wide a row is claimed to be.
    """
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(min(rows * (1 + 3 * width), _MOST_ZEROS)), 9)
    chunks = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _animated() -> bytes:
    """A PNG that announces frames which it does not have."""
    announced = chunk(b"acTL", struct.pack(">II", 2, 0))
    return insert_chunks(encoded(picture(), "PNG"), announced)


def _tiff() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "TIFF")
    return out.getvalue()


def odd_photo(reason: str) -> bytes:
    """Bytes that are rejected with the reason."""
    made = {
        "empty": lambda: b"",
        "not_an_image": lambda: b"hello, this is text",
        "unsupported_format": _tiff,
        "truncated": lambda: photo(size=(200, 200))[:3000],
        "too_small": lambda: photo(size=(8, 8)),
        "animated": _animated,
        "too_many_pixels": lambda: png_of(20_000, 20_000),
    }
    return made[reason]()
