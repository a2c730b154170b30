"""What the decoder gets of a file: its picture, after a check of the work that it would cost.

Metadata, but for the EXIF block with the orientation, are left out: they are no part of the
picture, and reading them can cost the square of their size or reject an intact picture.
"""

from ml.vision.images.bmp_header import check_bmp
from ml.vision.images.decode_errors import claimed_format
from ml.vision.images.gif_blocks import strip_gif
from ml.vision.images.jpeg_segments import strip_jpeg
from ml.vision.images.png_chunks import strip_png

# Of an animation; a file with more is one of which not all is judged.
MAX_DECODED_FRAMES = 1000


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
        return strip_gif(data, max_pictures=MAX_DECODED_FRAMES + 1)
    if file_format == "BMP":
        check_bmp(data)
    return data
