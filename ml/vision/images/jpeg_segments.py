"""The segments of a JPEG file (ISO/IEC 10918-1, annex B), before the decoder reads them.

libjpeg decodes the scans of a progressive file one after the other, each over the whole picture: a
few kilobytes of scans can cost hours. Pillow joins the segments of an EXIF block by copying all of
the earlier ones.
"""

import re
from collections.abc import Iterator

from ml.core.errors import ImageRejected, QuarantineReason

# Passes over the largest picture that the limits allow. Encoders write 1 (baseline) to some 15.
MAX_PASSES = 20

_EXIF = b"Exif\x00\x00"
_PROFILE = b"ICC_PROFILE\x00"
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_APP0, _APP1, _APP2, _ADOBE, _LAST_APP, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # of 0xC0 to 0xCF: tables of Huffman and arithmetic codes
_STANDALONE = (0x01, *range(0xD0, 0xD8))
# A marker that ends the coded data of a scan: not a stuffed byte, restart marker or fill byte.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)


def strip_jpeg(data: bytes, *, max_pixels: int) -> bytes:
    """The first picture of the file without its metadata, but for the first EXIF block.

    From the first segment on that cannot be read, the file stays as it is.

    Raises:
        ImageRejected: `too_costly` if its scans pass over more than `MAX_PASSES * max_pixels`.
    """
    kept, scans, pixels, has_exif = [data[:2]], 0, 0, False
    marker, end = _START, 2
    for marker, start, end in _segments(data):
        body = start + 4  # marker and length
        if marker == _SCAN:
            scans += 1
        elif _is_frame(marker):
            height, width = data[body + 1 : body + 3], data[body + 3 : body + 5]
            pixels = int.from_bytes(height, "big") * int.from_bytes(width, "big")
        elif marker == _APP1 and data.startswith(_EXIF, body):
            if has_exif:
                continue
            has_exif = True
        elif marker == _COMMENT or (_APP0 < marker <= _LAST_APP and marker != _ADOBE):
            continue
        kept.append(data[start:end])
        if scans * pixels > MAX_PASSES * max_pixels:
            detail = f"{scans} or more scans of {pixels} pixels"
            raise ImageRejected(QuarantineReason.TOO_COSTLY, detail)
    if marker != _END:
        kept.append(data[end:])
    return b"".join(kept)


def read_profile(data: bytes) -> tuple[bytes | None, bool]:
    """The color profile in the segments before the first scan (ICC.1:2010, B.4).

    Also returns whether there is none, or all of it: programs disagree about one of which parts
    are missing or doubled.
    """
    parts: list[tuple[int, int, bytes]] = []
    for marker, start, end in _segments(data):
        if marker == _SCAN:
            break
        body = start + 4
        if marker == _APP2 and data.startswith(_PROFILE, body):
            content = data[body + len(_PROFILE) : end]
            number, total = (*content[:2], 0, 0)[:2]
            parts.append((number, total, content[2:]))
    expected = [(number, len(parts)) for number in range(1, len(parts) + 1)]
    in_order = sorted(parts)
    if [part[:2] for part in in_order] != expected or not all(part[2] for part in parts):
        return None, False
    return b"".join(part[2] for part in in_order) or None, True


def _is_frame(marker: int) -> bool:
    return 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES  # noqa: PLR2004 - SOF0 to SOF15


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the end of the picture; a scan has its data."""
    end = 2
    while found := _MARKER.search(data, end):
        marker, start = found[1][0], found.end() - 2
        if marker == _START:
            return
        if marker in _STANDALONE or marker == _END:
            end = start + 2
        else:
            end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
            if end < start + 4 or end > len(data):
                return
        if marker == _SCAN:
            after = _AFTER_SCAN.search(data, end)
            end = after.start() if after else len(data)
        yield marker, start, end
        if marker == _END:
            return
