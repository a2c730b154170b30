"""The blocks of a GIF file (GIF89a specification), before the decoder reads them.

Pillow joins the parts of a comment by copying all of the earlier ones.
"""

import re
from collections.abc import Iterator

SCREEN_BYTES, _IMAGE_BYTES = 13, 10  # header and logical screen; image descriptor
_EXTENSION, IMAGE, TRAILER = b"!", b",", b";"
CONTROL = 0xF9  # label of the extension with an image's transparency
_BLOCK = re.compile(rb"[!,;]")


def strip_gif(data: bytes, *, max_pictures: int) -> bytes:
    """The first pictures of the file without comments and extensions that concern no pixels.

    From the first block on that cannot be read, the file stays as it is, unless it already has
    `max_pictures`.
    """
    end = table_end(data, SCREEN_BYTES - 3)
    kept, control, pictures = [data[:end]], b"", 0
    for kind, start, end in read_blocks(data, end):  # noqa: B020 - the end of the last block read
        if kind == TRAILER or pictures == max_pictures:
            return b"".join([*kept, TRAILER])
        if kind == IMAGE:
            kept += [control, data[start:end]]
            control, pictures = b"", pictures + 1
        elif data[start + 1] == CONTROL:
            control = data[start:end]
    return b"".join([*kept, control, data[end:]])


def read_blocks(data: bytes, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each block that the file has completely; other bytes are skipped."""
    while found := _BLOCK.search(data, end):
        kind, start, end = found[0], found.start(), found.end()
        if kind == _EXTENSION:
            end = _skip_parts(data, start + 2)
        elif kind == IMAGE:
            flags = start + _IMAGE_BYTES - 1
            end = _skip_parts(data, flags + 2 + _table_bytes(data, flags))
        if end > len(data):
            return
        yield kind, start, end


def table_end(data: bytes, flags: int) -> int:
    """Where the header of the screen ends, with its color table; `flags` is their position."""
    return SCREEN_BYTES + _table_bytes(data, flags)


def _table_bytes(data: bytes, position: int) -> int:
    """Size of the color table that follows, by the flags at a position."""
    flags = data[position] if position < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_parts(data: bytes, start: int) -> int:
    """The end of parts of up to 255 bytes each, the last of them empty; beyond the file if cut."""
    while start < len(data) and data[start]:
        start += 1 + data[start]
    return start + 1
