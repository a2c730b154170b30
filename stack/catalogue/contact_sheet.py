"""A contact sheet: many photos at a glance, each framed in the colour of what became of it."""

import io
from collections.abc import Sequence

from PIL import Image, ImageColor, ImageDraw, ImageOps

from ml.errors import SettingsError
from stack.catalogue.craft.colours import readable_on
from stack.catalogue.craft.fonts import BOLD, fitted

_PAPER = (250, 250, 251)


def contact_sheet(images: Sequence[tuple[bytes, str, str]], columns: int, tile: int) -> Image.Image:
    """Return an RGB sheet of square, centred crops with coloured frames and captions.

    Args:
        images: photo bytes, caption and frame colour (a name or `#rrggbb`) of each.
        columns: photos in a row, 1 or more.
        tile: side of a photo with its frame, in pixels, 48 or more.

    Returns:
        The sheet; a row is a tile, its caption and a gap high.

    Raises:
        SettingsError: there is nothing to show, or no room for it.
        PIL.UnidentifiedImageError: some bytes are not a picture.
    """
    if not images or columns < 1 or tile < _SMALLEST:
        raise SettingsError(
            f"cannot lay out {len(images)} photos in {columns} columns of {tile} px: "
            f"give at least one photo, one column and {_SMALLEST} px"
        )
    gap, bar = max(tile // 16, 6), max(tile // 9, 14)
    rows = -(-len(images) // columns)
    size = (columns * (tile + gap) + gap, rows * (tile + bar + gap) + gap)
    sheet = Image.new("RGB", size, _PAPER)
    for number, (data, caption, colour) in enumerate(images):
        row, column = divmod(number, columns)
        place = (gap + column * (tile + gap), gap + row * (tile + bar + gap))
        sheet.paste(_framed(data, caption, colour, tile, bar), place)
    return sheet


_SMALLEST = 48


def _framed(data: bytes, caption: str, colour: str, tile: int, bar: int) -> Image.Image:
    red, green, blue = ImageColor.getrgb(colour)[:3]
    edge = max(tile // 40, 3)
    card = Image.new("RGB", (tile, tile + bar), (red, green, blue))
    with Image.open(io.BytesIO(data)) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    inner = (tile - 2 * edge, tile - 2 * edge)
    card.paste(ImageOps.fit(upright, inner, Image.Resampling.LANCZOS), (edge, edge))
    if caption:
        letters = fitted(caption, BOLD, tile - 4 * edge, bar * 0.62)
        middle = (tile / 2, tile - edge / 2 + bar / 2)
        ink = readable_on((red, green, blue))
        ImageDraw.Draw(card).text(middle, caption, fill=ink, font=letters, anchor="mm")
    return card
