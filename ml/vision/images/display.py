"""Photos as reviewers see them: one picture, with all views of a photo that has several."""

import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits

_THUMBNAIL_QUALITY = 85
_GAP = 4  # pixels between the views
_GAP_COLOR = (128, 128, 128)
_LABEL_COLOR, _LABEL_BACKGROUND = (255, 255, 255), (0, 0, 0)
_MIN_CELL = 32  # pixels of a side


def decode_pictures(data: bytes, short_side: int, *, limits: DecodeLimits) -> list[Image.Image]:
    """The views of a photo, in the order in which a verdict records them.

    Raises:
        ImageRejected: the bytes cannot be decoded.
    """
    photo = decode(data, limits=limits, short_side=short_side, all_views=True)
    return [view.image for view in photo.views]


def arrange(pictures: Sequence[Image.Image], side: int) -> Image.Image:
    """One picture, or several side by side, reduced to a square of `side` pixels."""
    if len(pictures) > 1:
        return make_sheet(pictures, side)
    [picture] = pictures
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    return picture


def make_sheet(pictures: Sequence[Image.Image], side: int) -> Image.Image:
    """Pictures in rows, each with its number from 1; fits a square of `side` pixels."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    cell = max((side - _GAP * (columns - 1)) // columns, _MIN_CELL)
    small = [picture.copy() for picture in pictures]
    for picture in small:
        picture.thumbnail((cell, cell), Image.Resampling.BICUBIC)
    width, height = (max(p.size[axis] for p in small) for axis in (0, 1))
    size = columns * width + (columns - 1) * _GAP, rows * height + (rows - 1) * _GAP
    sheet = Image.new("RGB", size, _GAP_COLOR)
    for index, picture in enumerate(small):
        row, column = divmod(index, columns)
        place = column * (width + _GAP), row * (height + _GAP)
        sheet.paste(picture, place)
        _draw_number(sheet, place, index + 1)
    return sheet


def _draw_number(sheet: Image.Image, place: tuple[int, int], number: int) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    left, top, right, bottom = draw.textbbox((place[0] + 3, place[1] + 2), str(number), font=font)
    draw.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=_LABEL_BACKGROUND)
    draw.text((place[0] + 3, place[1] + 2), str(number), font=font, fill=_LABEL_COLOR)


def display_short_side(side: int, size: tuple[int, int] | None) -> int:
    """Pixels of the short side when the long side has `side`; at most those, for no known size."""
    return side if size is None else max(1, round(side * min(size) / max(size)))


def as_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB picture; it has no EXIF block, because `decode` removes it."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_THUMBNAIL_QUALITY)
    return out.getvalue()
