"""The EXIF orientation of a photo, and its pixels turned upright by it."""

from PIL import Image

from ml.images.rejection import DECODER_ERRORS

_EXIF_ORIENTATION = 0x0112  # EXIF 2.3, tag 274
# Exactly what ImageOps.exif_transpose does with the pixels. That one also writes the EXIF block
# back, and so would reject a fine photo for a tag that cannot be written.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = range(5, 9)


def read_orientation(image: Image.Image) -> int:
    """Read the EXIF orientation, 1 (upright) to 8; 1 where the block is absent or broken."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except DECODER_ERRORS:
        return 1
    return value if value in _UPRIGHT else 1


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn and mirror a stored picture as its orientation asks.

    Args:
        image: the picture as stored, of any size.
        orientation: 1 to 8, from `read_orientation`.

    Returns:
        The upright picture; for 5 to 8 its width and height are exchanged.
    """
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture, from those of the stored one."""
    width, height = size
    return (height, width) if orientation in _ON_ITS_SIDE else (width, height)
