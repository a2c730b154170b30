"""Random text lines, fonts and colors of text overlays."""

import string
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from devtools.sample_photos.rendering.colors import Color, contrasting_ink
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.rendering.sample_texts import (
    BRANDS,
    GOODS,
    OFFERS,
    PRINTS,
    chat_line,
    contact,
    price,
)

# Fonts of the matplotlib package. With one font alone the gate would not generalize.
_FONT_FILES = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf", "STIXGeneral.ttf",
    "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf", "cmr10.ttf", "cmss10.ttf", "cmtt10.ttf",
)  # fmt: skip
# Fonts with Chinese characters are those of the system, if it has some.
_CHINESE_FONT_FILES = (
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
)
_CHINESE_CHARACTERS = (
    "加微信联系电话优惠批发代购厂家直销包邮特价私信客服扫码领取红包正品现货折扣新款上市限时秒杀"
)

Font = ImageFont.FreeTypeFont


def random_line(rng: Rng) -> str:
    """Return one line: an offer, a contact detail, a name, or random letters and digits."""
    kinds = (_realistic_line, _realistic_line, _random_characters, _random_chinese)
    line = choice(rng, kinds)(rng)
    return line.upper() if chance(rng, 0.3) else line


def _realistic_line(rng: Rng) -> str:
    lists = (OFFERS, BRANDS, PRINTS, GOODS)
    return choice(
        rng,
        (contact(rng), contact(rng), chat_line(rng), price(rng), choice(rng, choice(rng, lists))),
    )


def _random_characters(rng: Rng) -> str:
    letters = choice(rng, (string.ascii_letters, string.ascii_letters, string.digits))
    parts = (
        "".join(choice(rng, letters) for _ in range(integer(rng, 2, 8)))
        for _ in range(integer(rng, 1, 3))
    )
    return " ".join(parts)


def _random_chinese(rng: Rng) -> str:
    if _chinese_font_file() is None:
        return _random_characters(rng)
    return "".join(choice(rng, _CHINESE_CHARACTERS) for _ in range(integer(rng, 3, 10)))


def random_font(rng: Rng, line: str, size: int) -> Font:
    """Return a font with the line's characters, at a size in pixels."""
    chinese = _chinese_font_file()
    if chinese is not None and not line.isascii():
        return _load_font(str(chinese), size)
    return _load_font(_matplotlib_font(choice(rng, _FONT_FILES)), size)


@cache
def _chinese_font_file() -> Path | None:
    return next((path for path in _CHINESE_FONT_FILES if path.is_file()), None)


@cache
def _matplotlib_font(name: str) -> str:
    return str(distribution("matplotlib").locate_file(f"matplotlib/mpl-data/fonts/ttf/{name}"))


@cache
def _load_font(path: str, size: int) -> Font:
    return ImageFont.truetype(path, max(size, 6))


def render_line(line: str, letters: Font, color: Color, *, edge: int = 0) -> Image.Image:
    """Return the line as a tight RGBA picture; `edge` is the width of its outline in pixels."""
    left, top, right, bottom = letters.getbbox(line, stroke_width=edge)
    around = contrasting_ink(color)
    size = (max(int(right - left), 1), max(int(bottom - top), 1))
    picture = Image.new("RGBA", size, (*(around if edge else color), 0))
    pen = ImageDraw.Draw(picture)
    pen.text((-left, -top), line, fill=color, font=letters, stroke_width=edge, stroke_fill=around)
    return picture


def random_color(rng: Rng) -> Color:
    """Return a random color; white and black are more frequent, as on real banners."""
    drawn = (integer(rng, 0, 255), integer(rng, 0, 255), integer(rng, 0, 255))
    return choice(rng, ((255, 255, 255), (0, 0, 0), drawn, drawn))


def fade(picture: Image.Image, opacity: float) -> Image.Image:
    """Return the picture with its alpha multiplied by `opacity` (0..1)."""
    if opacity >= 1:
        return picture
    picture.putalpha(picture.getchannel("A").point(lambda level: round(level * opacity)))
    return picture


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Return a log-uniform random number between two sizes."""
    return float(low * (high / low) ** uniform(rng, 0, 1))
