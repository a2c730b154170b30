"""The chunks of a PNG file (W3C PNG, third edition), before the decoder reads them.

Pillow rejects a picture because of a long text in its metadata, and reads chunk by chunk in Python.
"""

import re
import zlib
from collections.abc import Iterator
from itertools import groupby

from ml.core.errors import ImageRejected, QuarantineReason

_SIGNATURE_BYTES, _HEAD_BYTES, _CHECKSUM_BYTES = 8, 8, 4
_NAME = re.compile(rb"[A-Za-z]{4}")
_PIXELS, _EXIF = b"IDAT", b"eXIf"
_USED = (b"tRNS", _EXIF)  # of the chunks that a decoder may ignore


def strip_png(data: bytes) -> bytes:
    """The picture without metadata, but for the first EXIF block, and its data in one chunk.

    From the first chunk on that cannot be read, the file stays as it is.

    Raises:
        ImageRejected: `animated` if the file has a second picture, or says so: programs disagree
            which one to show.
    """
    kept, seen, end = [data[:_SIGNATURE_BYTES]], set[bytes](), _SIGNATURE_BYTES
    for kind, group in groupby(_chunks(data), key=lambda chunk: chunk[0]):
        chunks = [chunk for _, chunk in group]
        end += sum(map(len, chunks))
        _check_still(kind, chunks, seen)
        if kind == _PIXELS:
            if kind not in seen:  # a decoder ignores pixels after another chunk
                kept.append(_join(chunks))
        elif kind[:1].isupper() or (kind in _USED and not (kind == _EXIF and kind in seen)):
            kept += chunks[:1] if kind == _EXIF else chunks
        seen.add(kind)
    return b"".join([*kept, data[end:]])


def _check_still(kind: bytes, chunks: list[bytes], seen: set[bytes]) -> None:
    if kind == b"acTL":
        frames = int.from_bytes(chunks[0][_HEAD_BYTES : _HEAD_BYTES + 4], "big")
        is_still = len(chunks) == 1 and kind not in seen and frames <= 1
    else:
        is_still = kind != b"fdAT"
    if not is_still:
        detail = "several frames: only the first one would be checked"
        raise ImageRejected(QuarantineReason.ANIMATED, detail)


def _join(chunks: list[bytes]) -> bytes:
    """One chunk with the content of several."""
    kind = chunks[0][4:_HEAD_BYTES]
    body = b"".join(chunk[_HEAD_BYTES:-_CHECKSUM_BYTES] for chunk in chunks)
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return len(body).to_bytes(4, "big") + kind + body + checksum.to_bytes(4, "big")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and bytes of each chunk that the file has completely."""
    start = _SIGNATURE_BYTES
    while _NAME.match(data, start + 4):
        size = int.from_bytes(data[start : start + 4], "big")
        end = start + _HEAD_BYTES + size + _CHECKSUM_BYTES
        if end > len(data):
            return
        yield data[start + 4 : start + _HEAD_BYTES], data[start:end]
        start = end
