"""Fonts and rendered text; the fonts are those of the matplotlib package, not the system's."""

from functools import cache
from importlib.metadata import distribution

from PIL import Image, ImageDraw, ImageFont

from devtools.sample_photos.rendering.colors import Color
from devtools.sample_photos.rendering.random_choice import Rng, choice

Font = ImageFont.FreeTypeFont

SANS = "DejaVuSans.ttf"
BOLD = "DejaVuSans-Bold.ttf"
MONO = "DejaVuSansMono.ttf"
SERIF = "DejaVuSerif-Bold.ttf"
ITALIC = "DejaVuSans-BoldOblique.ttf"


@cache
def font(face: str, size: int) -> Font:
    """Return a font of matplotlib's package data at a size in pixels."""
    # Located without importing matplotlib, which would take every worker half a second.
    file = distribution("matplotlib").locate_file(f"matplotlib/mpl-data/fonts/ttf/{face}")
    return ImageFont.truetype(str(file), max(size, 6))


def display_face(rng: Rng) -> str:
    """Return the font file for a headline, a logo or a banner."""
    return choice(rng, (BOLD, SERIF, ITALIC, SANS, BOLD))


def fit_font(text: str, face: str, width: float, max_size: float) -> Font:
    """Return the largest font in which the text has at most these dimensions in pixels."""
    trial = font(face, 40)
    size = 40 * width / max(trial.getlength(text), 1.0)
    return font(face, int(min(size, max_size)))


def render_text(
    text: str, letters: Font, color: Color, *, stroke: int = 0, edge: Color = (0, 0, 0)
) -> Image.Image:
    """Return the text as a tight RGBA picture on a transparent background."""
    left, top, right, bottom = letters.getbbox(text, stroke_width=stroke)
    size = (int(right - left) + 2, int(bottom - top) + 2)
    picture = Image.new("RGBA", size, (*(edge if stroke else color), 0))
    ImageDraw.Draw(picture).text(
        (1 - left, 1 - top), text, fill=color, font=letters, stroke_width=stroke, stroke_fill=edge
    )
    return picture
