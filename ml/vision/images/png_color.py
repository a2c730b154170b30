"""What the chunks of a PNG file say about its colors (W3C PNG, third edition, 4.3)."""

import struct
import zlib
from collections.abc import Iterator

from ml.vision.images.color_profile import ColorSpace, is_plain
from ml.vision.images.matrix_profile import SRGB_CHROMATICITIES, make_matrix_profile
from ml.vision.images.png_chunks import read_chunks

MAX_PROFILE_BYTES = 4 * 2**20  # profiles of printers have up to 3 MB

_BODY = slice(8, -4)  # of a chunk: without length, type and checksum
_SCALE = 100_000  # of gAMA and cHRM
_MAX_NAME_BYTES = 79  # of a profile
_KEYED, _COMPARED_DEPTH = (0, 2), 8  # color types whose tRNS is a gray or a color
_USUAL_GAMMA = 0.45455
# A browser takes a gamma beyond libpng's range as the usual one.
_MAX_GAMMA = 21474.83


def read_png_color(data: bytes) -> ColorSpace:
    """The color space that a browser shows the picture in; cICP, iCCP, sRGB and gAMA, in order."""
    chunks: dict[bytes, bytes] = {}
    for kind, chunk in _before_pixels(data):
        chunks.setdefault(kind, chunk[_BODY])
    try:
        space = _color_space(chunks)
        unknown = b"tRNS" in chunks and _has_other_key(chunks[b"IHDR"])
    except (KeyError, ValueError, zlib.error, struct.error):
        return ColorSpace(unknown=True)
    return ColorSpace(space.profile, space.unknown or unknown)


def _has_other_key(header: bytes) -> bool:
    """Whether Pillow compares the transparent gray or color, of other depth, with 8-bit pixels."""
    depth, color_type = struct.unpack_from("8xBB", header)
    return depth != _COMPARED_DEPTH and color_type in _KEYED


def _before_pixels(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, chunk in read_chunks(data):
        if kind == b"IDAT":
            return
        yield kind, chunk


def _color_space(chunks: dict[bytes, bytes]) -> ColorSpace:
    if b"cICP" in chunks:
        primaries, transfer = struct.unpack_from("BB", chunks[b"cICP"])
        return ColorSpace(unknown=not is_plain(primaries, transfer))
    if b"iCCP" in chunks:
        return ColorSpace(_unpack_profile(chunks[b"iCCP"]))
    if b"sRGB" in chunks or b"gAMA" not in chunks:
        return ColorSpace()
    [gamma] = struct.unpack_from(">I", chunks[b"gAMA"])
    if not 0 < gamma / _SCALE <= _MAX_GAMMA:
        gamma = _USUAL_GAMMA * _SCALE
    # 1/2.2, as the usual gamma says: a browser compares with that, not with sRGB's own curve.
    declared = _SCALE / gamma
    numbers = [value / _SCALE for value in _chromaticities(chunks)]
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True)) or SRGB_CHROMATICITIES
    return ColorSpace(make_matrix_profile(declared, pairs))


def _chromaticities(chunks: dict[bytes, bytes]) -> tuple[int, ...]:
    return struct.unpack_from(">8I", chunks[b"cHRM"]) if b"cHRM" in chunks else ()


def _unpack_profile(chunk: bytes) -> bytes:
    """The profile; raises if it is longer than any sensible one."""
    name_bytes = chunk.index(b"\x00", 0, _MAX_NAME_BYTES + 1)
    inflate = zlib.decompressobj()
    profile = inflate.decompress(chunk[name_bytes + 2 :], MAX_PROFILE_BYTES)
    if not inflate.eof:
        raise ValueError("the profile is too long, or ends early")
    return profile
