"""The chunks of a PNG file (W3C PNG, third edition), before the decoder reads them.

Pillow rejects a picture because of a long text in its metadata, and reads chunk by chunk in Python.
"""

import re
import zlib
from collections.abc import Iterator
from itertools import groupby

from ml.vision.images.png_animation import ANIMATION_CHUNKS, is_animation

_SIGNATURE_BYTES, _HEAD_BYTES, _CHECKSUM_BYTES = 8, 8, 4
_NAME = re.compile(rb"[A-Za-z]{4}")
_PIXELS, _EXIF = b"IDAT", b"eXIf"
_USED = (b"tRNS", _EXIF)  # of the chunks that a decoder may ignore


def strip_png(data: bytes) -> bytes:
    """The picture or animation without metadata, but for the first EXIF block.

    The data of a picture are in one chunk. From the first chunk on that cannot be read, the file
    stays as it is.

    Raises:
        ImageRejected: `animated` if programs disagree which of its pictures to show.
    """
    used = (*_USED, *ANIMATION_CHUNKS) if is_animation(read_chunks(data)) else _USED
    kept, seen, end = [data[:_SIGNATURE_BYTES]], set[bytes](), _SIGNATURE_BYTES
    for kind, group in groupby(read_chunks(data), key=lambda chunk: chunk[0]):
        chunks = [chunk for _, chunk in group]
        end += sum(map(len, chunks))
        if kind == _PIXELS:
            if kind not in seen:  # a decoder ignores pixels after another chunk
                kept.append(_join(chunks))
        elif kind[:1].isupper() or (kind in used and not (kind == _EXIF and kind in seen)):
            kept += chunks[:1] if kind == _EXIF else chunks
        seen.add(kind)
    return b"".join([*kept, data[end:]])


def _join(chunks: list[bytes]) -> bytes:
    """One chunk with the content of several."""
    kind = chunks[0][4:_HEAD_BYTES]
    body = b"".join(chunk[_HEAD_BYTES:-_CHECKSUM_BYTES] for chunk in chunks)
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
