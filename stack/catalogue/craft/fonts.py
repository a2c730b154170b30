"""Letters: the fonts that travel inside Pillow and matplotlib, none from the system."""

from functools import cache
from importlib.metadata import distribution

from PIL import Image, ImageDraw, ImageFont

from stack.catalogue.craft.colours import Colour
from stack.catalogue.craft.dice import Rng, pick

Font = ImageFont.FreeTypeFont

SANS = "DejaVuSans.ttf"
BOLD = "DejaVuSans-Bold.ttf"
MONO = "DejaVuSansMono.ttf"
SERIF = "DejaVuSerif-Bold.ttf"
ITALIC = "DejaVuSans-BoldOblique.ttf"


@cache
def font(face: str, size: int) -> Font:
    """Return a face of matplotlib's package data at a size in pixels."""
    # The file is found without importing matplotlib, which would cost every worker half a second.
    file = distribution("matplotlib").locate_file(f"matplotlib/mpl-data/fonts/ttf/{face}")
    return ImageFont.truetype(str(file), max(size, 6))


def display_face(rng: Rng) -> str:
    """Return the face for a headline, a logo or a banner."""
    return pick(rng, (BOLD, SERIF, ITALIC, SANS, BOLD))


def fitted(text: str, face: str, width: float, tallest: float) -> Font:
    """Return the largest font in which the text is at most width wide and tallest high (px)."""
    trial = font(face, 40)
    size = 40 * width / max(trial.getlength(text), 1.0)
    return font(face, int(min(size, tallest)))


def lettering(
    text: str, letters: Font, colour: Colour, *, stroke: int = 0, edge: Colour = (0, 0, 0)
) -> Image.Image:
    """Return the text as a tight RGBA picture on a transparent ground."""
    left, top, right, bottom = letters.getbbox(text, stroke_width=stroke)
    size = (int(right - left) + 2, int(bottom - top) + 2)
    picture = Image.new("RGBA", size, (*(edge if stroke else colour), 0))
    ImageDraw.Draw(picture).text(
        (1 - left, 1 - top), text, fill=colour, font=letters, stroke_width=stroke, stroke_fill=edge
    )
    return picture
