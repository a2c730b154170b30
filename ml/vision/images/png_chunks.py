"""The chunks of a PNG file (W3C PNG, third edition), before the decoder reads them.

Pillow rejects a picture because of a long text in its metadata, and reads chunk by chunk in Python.
"""

import re
import zlib
from collections.abc import Iterator
from itertools import groupby

from ml.vision.images.png_animation import ANIMATION_CHUNKS, is_animation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIGNATURE_BYTES, _HEAD_BYTES, _CHECKSUM_BYTES = len(SIGNATURE), 8, 4
_NAME = re.compile(rb"[A-Za-z]{4}")
_PIXELS, _EXIF, _TRANSPARENCY = b"IDAT", b"eXIf", b"tRNS"
_PALETTE, _COLOR_TYPE_AT = 3, 25  # a color type; the position of this number in the file
_HAS_ALPHA = (4, 6)


def strip_png(data: bytes) -> bytes:
    """The picture or animation without metadata, but for the first EXIF block.

    The data of a picture are in one chunk. From the first chunk on that cannot be read, the file
    stays as it is.

    Raises:
        ImageRejected: `animated` if programs disagree which of its pictures to show.
    """
    frames = ANIMATION_CHUNKS if is_animation(read_chunks(data)) else ()
    kept, seen, end = [data[:_SIGNATURE_BYTES]], set[bytes](), _SIGNATURE_BYTES
    for kind, group in groupby(read_chunks(data), key=lambda chunk: chunk[0]):
        chunks = [chunk for _, chunk in group]
        end += sum(map(len, chunks))
        if kind == _PIXELS:
            if kind not in seen:  # a decoder ignores pixels after another chunk
                kept.append(_join(chunks))
        elif kind[:1].isupper() or kind in frames:
            kept += chunks
        elif _is_used(kind, data, seen):
            kept += chunks[:1]
        seen.add(kind)
    return b"".join([*kept, data[end:]])


def _is_used(kind: bytes, data: bytes, seen: set[bytes]) -> bool:
    """Whether an EXIF block or transparency counts after these chunks.

    The first one does; transparency only before the pixels, and after a palette. Pillow also takes
    later ones, which browsers ignore.
    """
    if kind != _TRANSPARENCY:
        return kind == _EXIF and kind not in seen
    color_type = data[_COLOR_TYPE_AT] if len(data) > _COLOR_TYPE_AT else 0
    in_order = color_type != _PALETTE or b"PLTE" in seen
    return in_order and color_type not in _HAS_ALPHA and not seen & {_PIXELS, _TRANSPARENCY}


def _join(chunks: list[bytes]) -> bytes:
    """One chunk with the content of several."""
    body = b"".join(chunk[_HEAD_BYTES:-_CHECKSUM_BYTES] for chunk in chunks)
    return make_chunk(chunks[0][4:_HEAD_BYTES], body)


def make_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return len(body).to_bytes(4, "big") + kind + body + checksum.to_bytes(4, "big")


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and bytes of each chunk that the file has completely."""
    start = _SIGNATURE_BYTES
    while _NAME.match(data, start + 4):
        size = int.from_bytes(data[start : start + 4], "big")
        end = start + _HEAD_BYTES + size + _CHECKSUM_BYTES
        if end > len(data):
            return
        yield data[start + 4 : start + _HEAD_BYTES], data[start:end]
        start = end
