"""What the chunks of a PNG file say about its colors (W3C PNG, third edition, 4.3)."""

import struct
import zlib

from ml.vision.images.color_profile import ColorSpace, is_plain
from ml.vision.images.matrix_profile import SRGB_CHROMATICITIES, make_matrix_profile
from ml.vision.images.png_chunks import read_chunks

MAX_PROFILE_BYTES = 4 * 2**20  # profiles of printers have up to 3 MB

_BODY = slice(8, -4)  # of a chunk: without length, type and checksum
_SCALE = 100_000  # of gAMA and cHRM
_MAX_NAME_BYTES = 79  # of a profile
_KEYED, _COMPARED_DEPTH = (0, 2), 8  # color types whose tRNS is a gray or a color
_MAX_GAMMA = 21474.83  # of libpng
_MAX_INTENT = 3  # of sRGB
_UNSPECIFIED = 2  # as a code point
_COLOR_CHUNKS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
_LENGTHS = {b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32}
_KEYED, _COMPARED_DEPTH = (0, 2), 8  # color types whose tRNS is a gray or a color
_COLOR_TYPE_AT, _GRAY_TYPES = 25, (b"\x00", b"\x04")


def read_png_color(data: bytes) -> ColorSpace:
    """The color space that a browser shows the picture in; cICP, iCCP, sRGB and gAMA, in order.

    A chunk that is broken, doubled or late makes it unknown: programs disagree whether it counts.
    """
    is_gray = data[_COLOR_TYPE_AT : _COLOR_TYPE_AT + 1] in _GRAY_TYPES
    try:
        chunks = _read_chunks(data)
        space = _color_space(chunks)
        unknown = space.unknown or (b"tRNS" in chunks and _has_other_key(data))
        return ColorSpace(space.profile, unknown, is_gray)
    except (ValueError, zlib.error, struct.error):
        return ColorSpace(unknown=True, is_gray=is_gray)


def _has_other_key(data: bytes) -> bool:
    """Whether Pillow compares the transparent gray or color, of other depth, with 8-bit pixels."""
    depth, color_type = data[_COLOR_TYPE_AT - 1], data[_COLOR_TYPE_AT]
    return depth != _COMPARED_DEPTH and color_type in _KEYED


def _read_chunks(data: bytes) -> dict[bytes, bytes]:
    """The content of the color chunks before the pixels; raises ValueError for an odd one."""
    chunks: dict[bytes, bytes] = {}
    has_palette = False
    for kind, chunk in read_chunks(data):
        if kind == b"IDAT":
            break
        has_palette |= kind == b"PLTE"
        if kind == b"tRNS":
            chunks[kind] = chunk
        if kind not in _COLOR_CHUNKS:
            continue
        body, checksum = chunk[_BODY], int.from_bytes(chunk[-4:], "big")
        if has_palette or kind in chunks or zlib.crc32(body, zlib.crc32(kind)) != checksum:
            raise ValueError("a color chunk is late, doubled or broken")
        if len(body) != _LENGTHS.get(kind, len(body)):
            raise ValueError("a color chunk of another length")
        chunks[kind] = body
    return chunks


def _color_space(chunks: dict[bytes, bytes]) -> ColorSpace:
    if b"cICP" in chunks:
        primaries, transfer, matrix, full_range = chunks[b"cICP"]
        is_known = (matrix, full_range) == (0, 1) and _UNSPECIFIED not in (primaries, transfer)
        return ColorSpace(unknown=not (is_known and is_plain(primaries, transfer)))
    if b"iCCP" in chunks:
        return ColorSpace(_unpack_profile(chunks[b"iCCP"]))
    if b"sRGB" in chunks and chunks[b"sRGB"][0] > _MAX_INTENT:
        raise ValueError("a rendering intent that there is not")
    if b"sRGB" in chunks or b"gAMA" not in chunks:
        return ColorSpace()
    [gamma] = struct.unpack(">I", chunks[b"gAMA"])
    if not 0 < gamma / _SCALE <= _MAX_GAMMA:
        raise ValueError("a gamma that there is not")
    numbers = [value / _SCALE for value in _chromaticities(chunks)]
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True)) or SRGB_CHROMATICITIES
    return ColorSpace(make_matrix_profile(_SCALE / gamma, pairs))


def _chromaticities(chunks: dict[bytes, bytes]) -> tuple[int, ...]:
    return struct.unpack(">8I", chunks[b"cHRM"]) if b"cHRM" in chunks else ()


def _unpack_profile(chunk: bytes) -> bytes:
    """The profile; raises if it is longer than any sensible one."""
    name_bytes = chunk.index(b"\x00", 0, _MAX_NAME_BYTES + 1)
    if not name_bytes or chunk[name_bytes + 1 : name_bytes + 2] != b"\x00":
        raise ValueError("a profile without a name, or in another compression")
    inflate = zlib.decompressobj()
    profile = inflate.decompress(chunk[name_bytes + 2 :], MAX_PROFILE_BYTES)
    if not inflate.eof or int.from_bytes(profile[:4], "big") != len(profile):
        raise ValueError("the profile is too long, or ends early")
    return profile
