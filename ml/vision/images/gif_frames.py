"""The frames of a GIF (GIF89a specification), each decoded as a file."""

import io
import struct
from collections.abc import Iterator

from PIL import Image

from ml.vision.images.canvas import Disposal, Part, check_inside, compose_frames
from ml.vision.images.gif_blocks import (
    CONTROL,
    IMAGE,
    SCREEN_BYTES,
    TRAILER,
    read_blocks,
    table_end,
)
from ml.vision.images.upright_rgb import to_8_bits

_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE}
_DESCRIPTOR = struct.Struct("<4H")  # left, top, width, height, after the separator
_FLAGS_AT = 3  # of a control extension


def read_gif_frames(data: bytes) -> Iterator[Image.Image]:
    """The composed frames of a file that `strip_gif` returned, RGBA.

    Raises what the decoder raises, and ImageRejected.
    """
    width, height = struct.unpack_from("<2H", data, 6)
    return compose_frames((width, height), _parts(data))


def is_covered(data: bytes) -> bool:
    """Whether the first picture covers the whole screen, or more."""
    screen = struct.unpack_from("<2H", data, 6)
    for kind, start, _ in read_blocks(data, table_end(data, SCREEN_BYTES - 3)):
        if kind == IMAGE:
            left, top, width, height = _DESCRIPTOR.unpack_from(data, start + 1)
            return (left, top) == (0, 0) and width >= screen[0] and height >= screen[1]
    return True


def _parts(data: bytes) -> Iterator[Part]:
    end = table_end(data, SCREEN_BYTES - 3)
    head, control = data[:end], b""
    for kind, start, end in read_blocks(data, end):  # noqa: B020 - the end of the last block read
        if kind == TRAILER:
            return
        if kind == IMAGE:
            yield _part(head, control, data[start:end])
            control = b""
        elif data[start + 1] == CONTROL:
            control = data[start:end]


def _part(head: bytes, control: bytes, picture: bytes) -> Part:
    left, top, width, height = _DESCRIPTOR.unpack_from(picture, 1)
    whole = struct.unpack_from("<2H", head, 6)
    check_inside((whole[0], whole[1]), (left, top), (width, height))
    own_head = head[:6] + struct.pack("<2H", width, height) + head[10:]
    own_picture = picture[:1] + _DESCRIPTOR.pack(0, 0, width, height) + picture[9:]
    file = own_head + control + own_picture + TRAILER
    with Image.open(io.BytesIO(file), formats=("GIF",)) as image:
        image.load()
        decoded = to_8_bits(image).convert("RGBA")
    flags = control[_FLAGS_AT] if len(control) > _FLAGS_AT else 0
    disposal = _DISPOSALS.get(flags >> 2 & 7, Disposal.KEEP)
    return Part(decoded, left, top, disposal, replaces=False)
