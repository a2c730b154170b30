"""A contact sheet: many photos with colored frames and captions."""

import io
from collections.abc import Sequence

from PIL import Image, ImageColor, ImageDraw, ImageOps

from devtools.sample_photos.rendering.colors import contrasting_ink
from devtools.sample_photos.rendering.fonts import BOLD, fit_font
from ml.core.errors import SettingsError

_PAPER = (250, 250, 251)


def contact_sheet(images: Sequence[tuple[bytes, str, str]], columns: int, tile: int) -> Image.Image:
    """Return an RGB sheet of square, centered crops with colored frames and captions.

    Args:
        images: photo bytes, caption and frame color (a name or `#rrggbb`) of each.
        columns: photos in a row, 1 or more.
        tile: side of a photo with its frame, in pixels, 48 or more.

    Returns:
        The sheet; the height of a row is a tile, its caption and a gap.

    Raises:
        SettingsError: there are no photos, or `columns` or `tile` is too small.
        PIL.UnidentifiedImageError: some bytes are not a picture.
    """
    if not images or columns < 1 or tile < _MIN_TILE:
        raise SettingsError(
            f"cannot lay out {len(images)} photos in {columns} columns of {tile} px: "
            f"give at least one photo, one column and {_MIN_TILE} px"
        )
    gap, bar = max(tile // 16, 6), max(tile // 9, 14)
    rows = -(-len(images) // columns)
    size = (columns * (tile + gap) + gap, rows * (tile + bar + gap) + gap)
    sheet = Image.new("RGB", size, _PAPER)
    for number, (data, caption, color) in enumerate(images):
        row, column = divmod(number, columns)
        place = (gap + column * (tile + gap), gap + row * (tile + bar + gap))
        sheet.paste(_frame_photo(data, caption, color, tile, bar), place)
    return sheet


_MIN_TILE = 48


def _frame_photo(data: bytes, caption: str, color: str, tile: int, bar: int) -> Image.Image:
    red, green, blue = ImageColor.getrgb(color)[:3]
    edge = max(tile // 40, 3)
    card = Image.new("RGB", (tile, tile + bar), (red, green, blue))
    with Image.open(io.BytesIO(data)) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    inner = (tile - 2 * edge, tile - 2 * edge)
    card.paste(ImageOps.fit(upright, inner, Image.Resampling.LANCZOS), (edge, edge))
    if caption:
        letters = fit_font(caption, BOLD, tile - 4 * edge, bar * 0.62)
        middle = (tile / 2, tile - edge / 2 + bar / 2)
        ink = contrasting_ink((red, green, blue))
        ImageDraw.Draw(card).text(middle, caption, fill=ink, font=letters, anchor="mm")
    return card
