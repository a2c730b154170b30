"""Random text lines, fonts and colors of text overlays."""

import string
from functools import cache, lru_cache
from importlib.metadata import distribution
from pathlib import Path

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
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

# Without others, the fonts of the matplotlib package; with one font the gate would not generalize.
FONT_FOLDERS = [Path("/usr/share/fonts")]
_CHINESE_CHARACTERS = (
    "加微信联系电话优惠批发代购厂家直销包邮特价私信客服扫码领取红包正品现货折扣新款上市限时秒杀"
)
_LATIN, _CHINESE = string.ascii_letters + string.digits, "微信电话"

_MIN_LETTERS = 40
_LAST_LETTER = "\U00010000"

Font = ImageFont.FreeTypeFont


def random_line(rng: Rng) -> str:
    """Return one line: an offer, a contact detail, a name, or random letters of some script."""
    kinds = (_realistic_line, _realistic_line, _random_characters, _random_chinese, _any_script)
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
    if not _fonts_with(_CHINESE):
        return _random_characters(rng)
    return "".join(choice(rng, _CHINESE_CHARACTERS) for _ in range(integer(rng, 3, 10)))


def _any_script(rng: Rng) -> str:
    letters = _letters(choice(rng, _fonts()))
    return "".join(choice(rng, letters) for _ in range(integer(rng, 3, 14)))


def random_font(rng: Rng, line: str, size: int) -> Font:
    """Return a font with the line's characters, at a size in pixels."""
    script = _CHINESE if any(c in _CHINESE_CHARACTERS for c in line) else _LATIN
    if script == _LATIN and not line.isascii():
        script = "".join(c for c in line if c.isalpha() and not c.isascii())
    return _load_font(choice(rng, _fonts_with(script) or _fonts_with(_LATIN)), size)


@cache
def _fonts() -> tuple[str, ...]:
    """Files of all fonts that have at least an alphabet."""
    shipped = Path(str(distribution("matplotlib").locate_file("matplotlib/mpl-data/fonts/ttf")))
    files = sorted(
        str(file)
        for folder in (shipped, *FONT_FOLDERS)
        for file in folder.rglob("*")
        if file.suffix in {".ttf", ".otf", ".ttc"} and file.is_file()
    )
    return tuple(file for file in files if len(_letters(file)) >= _MIN_LETTERS)


@lru_cache(maxsize=4096)
def _fonts_with(characters: str) -> tuple[str, ...]:
    return tuple(file for file in _fonts() if set(characters) <= _letter_set(file))


@cache
def _letter_set(file: str) -> frozenset[str]:
    return frozenset(_letters(file))


@cache
def _letters(file: str) -> str:
    """The letters and digits of a font; none of one whose characters lie at other codes."""
    with TTFont(file, fontNumber=0, lazy=True) as font:
        codes = font.getBestCmap() or {}
    return "".join(c for c in map(chr, sorted(codes)) if c.isalnum() and c < _LAST_LETTER)


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
