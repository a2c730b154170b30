"""Words, faces and colours in all the ways that people lay text over photos."""

import string
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from stack.catalogue.craft.colours import Colour, readable_on
from stack.catalogue.craft.dice import Rng, between, chance, pick, whole
from stack.catalogue.craft.words import BRANDS, GOODS, OFFERS, PRINTS, chat_line, contact, price

# The faces that travel inside matplotlib: a gate that knew one face only would miss the next shop.
_FACES = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf", "STIXGeneral.ttf",
    "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf", "cmr10.ttf", "cmss10.ttf", "cmtt10.ttf",
)  # fmt: skip
# Faces with Chinese characters are taken from the system, where it has some.
_CHINESE_FACES = (
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
)
_CHINESE = (
    "加微信联系电话优惠批发代购厂家直销包邮特价私信客服扫码领取红包正品现货折扣新款上市限时秒杀"
)

Font = ImageFont.FreeTypeFont


def words(rng: Rng) -> str:
    """One line: an offer, a contact detail, a name, or letters and digits without a meaning."""
    kinds = (_sense, _sense, _nonsense, _chinese)
    line = pick(rng, kinds)(rng)
    return line.upper() if chance(rng, 0.3) else line


def _sense(rng: Rng) -> str:
    lists = (OFFERS, BRANDS, PRINTS, GOODS)
    return pick(
        rng, (contact(rng), contact(rng), chat_line(rng), price(rng), pick(rng, pick(rng, lists)))
    )


def _nonsense(rng: Rng) -> str:
    letters = pick(rng, (string.ascii_letters, string.ascii_letters, string.digits))
    parts = (
        "".join(pick(rng, letters) for _ in range(whole(rng, 2, 8)))
        for _ in range(whole(rng, 1, 3))
    )
    return " ".join(parts)


def _chinese(rng: Rng) -> str:
    if _chinese_face() is None:
        return _nonsense(rng)
    return "".join(pick(rng, _CHINESE) for _ in range(whole(rng, 3, 10)))


def face(rng: Rng, line: str, size: int) -> Font:
    """A face that has the line's characters, at a size in pixels."""
    chinese = _chinese_face()
    if chinese is not None and not line.isascii():
        return _loaded(str(chinese), size)
    return _loaded(_shipped(pick(rng, _FACES)), size)


@cache
def _chinese_face() -> Path | None:
    return next((path for path in _CHINESE_FACES if path.is_file()), None)


@cache
def _shipped(name: str) -> str:
    return str(distribution("matplotlib").locate_file(f"matplotlib/mpl-data/fonts/ttf/{name}"))


@cache
def _loaded(path: str, size: int) -> Font:
    return ImageFont.truetype(path, max(size, 6))


def tight(line: str, letters: Font, colour: Colour, *, edge: int = 0) -> Image.Image:
    """The line as a tight RGBA picture on nothing; `edge` is the width of its outline (px)."""
    left, top, right, bottom = letters.getbbox(line, stroke_width=edge)
    around = readable_on(colour)
    size = (max(int(right - left), 1), max(int(bottom - top), 1))
    picture = Image.new("RGBA", size, (*(around if edge else colour), 0))
    pen = ImageDraw.Draw(picture)
    pen.text((-left, -top), line, fill=colour, font=letters, stroke_width=edge, stroke_fill=around)
    return picture


def any_colour(rng: Rng) -> Colour:
    """White and black more often than the others, as on real banners."""
    drawn = (whole(rng, 0, 255), whole(rng, 0, 255), whole(rng, 0, 255))
    return pick(rng, ((255, 255, 255), (0, 0, 0), drawn, drawn))


def faded(picture: Image.Image, opacity: float) -> Image.Image:
    """The picture with its opacity (0..1) reduced."""
    if opacity >= 1:
        return picture
    picture.putalpha(picture.getchannel("A").point(lambda level: round(level * opacity)))
    return picture


def spread(rng: Rng, low: float, high: float) -> float:
    """Between two sizes, small ones as often as large ones: even in the logarithm."""
    return float(low * (high / low) ** between(rng, 0, 1))
