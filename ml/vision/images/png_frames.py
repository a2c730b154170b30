"""The frames of an animated PNG (W3C PNG, third edition, 11.3.6), each decoded as a file."""

import io
import struct
from collections.abc import Iterator

from PIL import Image

from ml.vision.images.canvas import Disposal, Part, check_inside, compose_frames
from ml.vision.images.png_chunks import SIGNATURE, make_chunk, read_chunks
from ml.vision.images.upright_rgb import to_8_bits

_BODY = slice(8, -4)  # of a chunk: without length, type and checksum
_HEADER_REST = slice(8, None)  # of IHDR: what follows width and height
_SHARED = (b"PLTE", b"tRNS")
_SEQUENCE_BYTES = 4  # of fdAT before its pixels
_CONTROL = struct.Struct(">4x4I4x2B")  # width, height, left, top, disposal, blending
_OVER = 1


def read_png_frames(data: bytes) -> Iterator[Image.Image]:
    """The composed frames of a file that `strip_png` has accepted, RGBA.

    A picture for programs without animation, if there is one, comes first. Raises what the decoder
    raises, and ImageRejected.
    """
    chunks = [(kind, chunk[_BODY]) for kind, chunk in read_chunks(data)]
    [header] = [body for kind, body in chunks if kind == b"IHDR"]
    size = struct.unpack_from(">2I", header)
    return compose_frames((size[0], size[1]), _parts(header, chunks))


def _parts(header: bytes, chunks: list[tuple[bytes, bytes]]) -> Iterator[Part]:
    shared = b"".join(make_chunk(kind, body) for kind, body in chunks if kind in _SHARED)
    whole = header[:8] + bytes(8)
    control: tuple[int, ...] = (*struct.unpack(">4I", whole), int(Disposal.CLEAR), 0)
    pixels: list[bytes] = []
    for kind, body in [*chunks, (b"fcTL", b"")]:
        if kind == b"IDAT":
            pixels.append(body)
        elif kind == b"fdAT":
            pixels.append(body[_SEQUENCE_BYTES:])
        elif kind == b"fcTL":
            if pixels:
                yield _part(control, header, shared, b"".join(pixels))
            pixels, control = [], _CONTROL.unpack_from(body) if body else control


def _part(control: tuple[int, ...], header: bytes, shared: bytes, pixels: bytes) -> Part:
    width, height, left, top, disposal, blending = control
    whole = struct.unpack_from(">2I", header)
    check_inside((whole[0], whole[1]), (left, top), (width, height))
    own_header = struct.pack(">2I", width, height) + header[_HEADER_REST]
    file = SIGNATURE + make_chunk(b"IHDR", own_header) + shared
    file += make_chunk(b"IDAT", pixels) + make_chunk(b"IEND", b"")
    with Image.open(io.BytesIO(file), formats=("PNG",)) as image:
        image.load()
        picture = to_8_bits(image).convert("RGBA")
    known = Disposal(disposal) if disposal in tuple(Disposal) else Disposal.KEEP
    return Part(picture, left, top, known, replaces=blending != _OVER)
