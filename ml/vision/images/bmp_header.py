"""The header of a BMP file (BITMAPV5HEADER and its predecessors), before the decoder reads it."""

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.color_profile import ColorSpace

_FILE_HEADER = 14  # bytes; the header of the picture follows
_INFO_HEADER, _V3_HEADER, _V5_HEADER = 40, 56, 124  # bytes of versions; each extends the last
_RUN_LENGTHS = (1, 2)  # BI_RLE8, BI_RLE4
_MAX_PALETTE_BITS, _SHORT_PIXELS = 8, 16
_EMBEDDED = 0x4D424544  # the color space is that of a profile in the file


def check_bmp(data: bytes) -> None:
    """Check that programs agree about the pixels.

    Raises:
        ImageRejected: `unsupported_format` for run lengths: they may skip pixels, which programs
            fill in different ways; `corrupt` if the pixels begin in the palette.
    """
    header = _field(data, 0, 4)
    if header < _INFO_HEADER:
        return
    if _field(data, 16, 4) in _RUN_LENGTHS:
        detail = "BMP in run lengths: programs disagree about pixels that they skip"
        raise ImageRejected(QuarantineReason.UNSUPPORTED_FORMAT, detail)
    bits, start = _field(data, 14, 2), int.from_bytes(data[10:14], "little")
    if bits <= _MAX_PALETTE_BITS:
        palette = 4 * (_field(data, 32, 4) or 2**bits)
        if start < _FILE_HEADER + header + palette:
            detail = f"the pixels begin in the palette, at byte {start}"
            raise ImageRejected(QuarantineReason.CORRUPT, detail)


def read_bmp_color(data: bytes) -> ColorSpace:
    """The embedded profile, if there is one; browsers ignore calibrated and linked ones.

    Unknown if pixels of 16 bits have an alpha channel, which Pillow leaves out.
    """
    header = _field(data, 0, 4)
    if header >= _V3_HEADER and _field(data, 14, 2) == _SHORT_PIXELS and _field(data, 52, 4):
        return ColorSpace(unknown=True)
    if header < _V5_HEADER or _field(data, 56, 4) != _EMBEDDED:
        return ColorSpace()
    start = _FILE_HEADER + _field(data, 112, 4)
    return ColorSpace(data[start : start + _field(data, 116, 4)])


def _field(data: bytes, at: int, size: int) -> int:
    """A field of the picture's header."""
    start = _FILE_HEADER + at
    return int.from_bytes(data[start : start + size], "little")
