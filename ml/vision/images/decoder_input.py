"""What the decoder gets of a file: its picture, after a check of the work that it would cost.

Metadata, but for the EXIF block with the orientation, are left out: they are no part of the
picture, and reading them can cost the square of their size or reject an intact picture.
"""

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.decode_errors import claimed_format
from ml.vision.images.gif_blocks import strip_gif
from ml.vision.images.jpeg_segments import strip_jpeg
from ml.vision.images.png_chunks import strip_png

# Of an animation; a file with more is one of which not all is judged.
MAX_FRAMES = 1000

# Pillow decodes run lengths in Python: pixels, and bytes for each pixel, that take it a second.
_MAX_RUN_LENGTH_PIXELS, _MAX_RUN_LENGTH_BYTES = 4_000_000, 4
_RUN_LENGTHS = (1, 2)  # BI_RLE8, BI_RLE4


def decoder_input(data: bytes, *, max_pixels: int) -> bytes:
    """The bytes of a file that the decoder needs; linear in its bytes.

    Raises:
        ImageRejected: `too_costly` if decoding would take far longer than for the largest picture
            that the limits allow; `animated`.
    """
    file_format = claimed_format(data)
    if file_format == "JPEG":
        return strip_jpeg(data, max_pixels=max_pixels)
    if file_format == "PNG":
        return strip_png(data)
    if file_format == "GIF":
        return strip_gif(data, max_pictures=MAX_FRAMES + 1)
    if file_format == "BMP":
        _check_bmp(data)
    return data


def _check_bmp(data: bytes) -> None:
    """Check the fields biWidth, biHeight and biCompression of a BMP header of 40 bytes or more."""
    compression = int.from_bytes(data[30:34], "little")
    if int.from_bytes(data[14:18], "little") < 40 or compression not in _RUN_LENGTHS:  # noqa: PLR2004 - BITMAPINFOHEADER
        return
    width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
    pixels = abs(width * height)
    if pixels > _MAX_RUN_LENGTH_PIXELS or len(data) > _MAX_RUN_LENGTH_BYTES * pixels + 2048:
        detail = f"{len(data)} bytes of run lengths for {pixels} pixels"
        raise ImageRejected(QuarantineReason.TOO_COSTLY, detail)
