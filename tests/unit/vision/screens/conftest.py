"""Photos with codes and text, drawn for the screens."""

import io

import pytest
import segno
from PIL import Image, ImageDraw

from devtools.sample_photos.rendering.fonts import BOLD, font
from ml.vision.screens.text.ocr import TextReader
from tests.unit.vision.images.pictures import photo


def with_code(
    payload: str, *, module: int = 4, at: tuple[int, int] = (60, 40), turn: float = 0
) -> Image.Image:
    """A smooth photo with a QR code of a module size in pixels, rotated by degrees."""
    buffer = io.BytesIO()
    segno.make(payload, error="m", micro=False).save(buffer, kind="png", scale=module, border=4)
    canvas = photo(640, 480, seed=1)
    code = Image.open(buffer).convert("RGBA")
    code = code.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    canvas.paste(code, at, code)
    return canvas


def with_text(*lines: str, size: int = 40) -> Image.Image:
    """A smooth photo with dark lines of text, each on a white bar."""
    canvas = photo(640, 480, seed=2)
    pen = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        top = 20 + number * int(size * 1.6)
        pen.rectangle((10, top - 4, 630, top + int(size * 1.3)), fill=(250, 250, 250))
        pen.text((20, top), line, fill=(20, 20, 20), font=font(BOLD, size))
    return canvas


@pytest.fixture(scope="session")
def reader() -> TextReader:
    return TextReader()
