"""Files that must be quarantined: truncated, empty, mislabelled, corrupt, hostile."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from devtools.sample_photos.photo import NORMAL, SamplePhoto
from devtools.sample_photos.render import normal_photo
from devtools.sample_photos.rendering.random_choice import Rng, integer, uniform
from devtools.sample_photos.violations.fire import flames
from ml.core.errors import QuarantineReason, SettingsError

_SIZE = (480, 360)
# One bit per pixel: 144 megapixels, which zlib compresses to about 18 kB.
_BOMB_SIDE = 12_000
_PNG_HEADER = 33  # bytes of signature and first chunk


def _encode(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def _empty(_: Rng) -> bytes:
    return b""


def _truncated(rng: Rng) -> bytes:
    """Return a JPEG whose upload was interrupted."""
    data = _encode(normal_photo(rng, _SIZE), "JPEG")
    return data[: int(len(data) * uniform(rng, 0.3, 0.7))]


def _text_file(rng: Rng) -> bytes:
    """Return a text file with the name of a JPEG."""
    lines = [f"review {integer(rng, 1000, 9999)}: arrived in time, as described" for _ in range(20)]
    return "\n".join(lines).encode()


def _corrupt(rng: Rng) -> bytes:
    """Return a PNG with overwritten compressed pixels and a valid checksum."""
    data = _encode(normal_photo(rng, (160, 120)), "PNG")
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    body = bytearray(data[start + 4 : start + 4 + length])
    middle = len(body) // 3
    body[middle : middle + 400] = b"\xff" * 400
    checksum = struct.pack(">I", zlib.crc32(b"IDAT" + bytes(body)))
    return data[: start + 4] + bytes(body) + checksum + data[start + 8 + length :]


def _animated(rng: Rng) -> bytes:
    """Return an animated PNG of a flickering fire that announces its frames twice."""
    frames = [flames(rng, 160, 120)[0] for _ in range(4)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], duration=120, loop=0)
    data = buffer.getvalue()
    announced = _chunk(b"acTL", struct.pack(">II", 1, 0))
    return data[:_PNG_HEADER] + announced + data[_PNG_HEADER:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _decompression_bomb(_: Rng) -> bytes:
    """Return a small PNG file that decodes to more than 100 megapixels, all black.

    Written chunk by chunk (PNG specification, sections 5 and 11), so that the pixels are
    never in memory.
    """
    side = _BOMB_SIDE
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _tiny(rng: Rng) -> bytes:
    """Return an 8 x 8 picture."""
    pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return _encode(Image.fromarray(pixels), "PNG")


def _unsupported_format(rng: Rng) -> bytes:
    """Return a TIFF file: a valid picture in a format that is not supported."""
    return _encode(normal_photo(rng, (320, 240)), "TIFF")


_RENDERERS: dict[QuarantineReason, tuple[Callable[[Rng], bytes], str]] = {
    QuarantineReason.EMPTY: (_empty, "jpg"),
    QuarantineReason.TRUNCATED: (_truncated, "jpg"),
    QuarantineReason.NOT_AN_IMAGE: (_text_file, "jpg"),
    QuarantineReason.CORRUPT: (_corrupt, "png"),
    QuarantineReason.ANIMATED: (_animated, "png"),
    QuarantineReason.TOO_MANY_PIXELS: (_decompression_bomb, "png"),
    QuarantineReason.TOO_SMALL: (_tiny, "png"),
    QuarantineReason.UNSUPPORTED_FORMAT: (_unsupported_format, "tiff"),
}
BROKEN_KINDS = tuple(_RENDERERS)


def render_broken(seed: int, index: int, kind: QuarantineReason) -> SamplePhoto:
    """Return broken file number `index` of the catalogue of a seed, always the same bytes.

    Args:
        seed: the catalogue's seed, 0 or more.
        index: the file's number, 0 or more; also its name.
        kind: one of BROKEN_KINDS, the reason for which it must be quarantined.

    Raises:
        SettingsError: the reason does not depend on the bytes of a file.
    """
    if kind not in _RENDERERS:
        known = ", ".join(BROKEN_KINDS)
        raise SettingsError(f"no file can be broken as {kind!r}: use one of {known}")
    breaker, ending = _RENDERERS[kind]
    data = breaker(np.random.default_rng((seed, index)))
    return SamplePhoto(f"photo_{index:06d}.{ending}", NORMAL, kind.value, data, broken=True)
