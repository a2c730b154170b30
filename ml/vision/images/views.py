"""The views of a photo: the pictures that are judged, each alone, so that none is overlooked.

Nearly all photos have one view. An animation has several frames, a transparent picture looks
otherwise over white and over black, and a strip is cut into parts, since at the size of a model's
input nothing of it could be recognized.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from ml.core.types import Json
from ml.vision.images.upright_rgb import Background, flatten, is_transparent, reduce_to

MAX_VIEWS = 12
MIN_FRAMES, MAX_JUDGED_FRAMES = 3, 6  # of an animation that are judged; 3: first, middle, last

# A photo up to this aspect ratio is judged as a whole, by the fit of the model's preprocessing.
MAX_WHOLE_ASPECT = 3.0

SEVERAL_VIEWS = "several_views"  # why a photo is left out where a label must be about one picture

_Frame = tuple[int, Image.Image]

_OVERLAP = 0.1  # of the length of a part, with the next: a line of text may lie on a border


class Unjudged(StrEnum):
    """Why a reviewer must look at a photo although its views were judged."""

    FRAMES = "frames"  # too many, or too large ones
    STRIP = "strip"  # too few views for its parts: they are reduced more, or frames left out
    COLOR = "color"  # its colors, or what is transparent, are unknown


@dataclass(frozen=True)
class View:
    """One upright RGB picture; `part` counts those of a strip from its left or top end."""

    image: Image.Image
    frame: int = 0
    background: Background = "white"
    part: int = 0

    def to_json(self) -> dict[str, Json]:
        """Which part of the photo it is."""
        return {"frame": self.frame, "background": self.background, "part": self.part}


def make_views(
    first: Image.Image, frames: Sequence[tuple[int, Image.Image]]
) -> tuple[tuple[View, ...], bool]:
    """The views of upright frames, in modes of `to_8_bits`, of one size and with their numbers.

    `first` is the first one over white; others are reduced if they are large, for the memory. Also
    returns whether the parts of a strip are as square as they should be.
    """
    is_seen_through = any(is_transparent(image) for _, image in frames)
    backgrounds: tuple[Background, ...] = ("white", "black") if is_seen_through else ("white",)
    wanted = count_parts(frames[0][1].size)
    parts = min(wanted, MAX_VIEWS // (min(len(frames), MIN_FRAMES) * len(backgrounds)))
    judged = _spread(frames, MAX_VIEWS // (parts * len(backgrounds)))
    views: list[View] = []
    for number, image in judged:
        for background in backgrounds:
            is_first = (number, background) == (0, "white")
            picture = first if is_first else flatten(reduce_to(image), background)
            pieces = enumerate(cut_parts(picture, parts))
            views += (View(piece, number, background, part) for part, piece in pieces)
    return tuple(views), parts == wanted and len(judged) == len(frames)


def count_views(image: Image.Image) -> int:
    """How many views there are, at least, of one picture in a mode of `to_8_bits`."""
    return count_parts(image.size) * (2 if is_transparent(image) else 1)


def count_parts(size: tuple[int, int]) -> int:
    """The number of parts, nearly square, into which a picture should be cut."""
    aspect = max(size) / min(size)
    return math.ceil(aspect) if aspect > MAX_WHOLE_ASPECT else 1


def cut_parts(image: Image.Image, count: int) -> Iterator[Image.Image]:
    """Equal parts of a picture along its long side, which overlap; together they are all of it."""
    if count == 1:
        yield image
        return
    width, height = image.size
    long_side = max(width, height)
    length = min(math.ceil(long_side / count * (1 + _OVERLAP)), long_side)
    for number in range(count):
        start = round((long_side - length) * number / (count - 1))
        end = start + length
        yield image.crop((start, 0, end, height) if width > height else (0, start, width, end))


def _spread(frames: Sequence[_Frame], count: int) -> list[_Frame]:
    """At most `count` of the frames, the first and the last among them."""
    if len(frames) <= count:
        return list(frames)
    return [frames[round(i * (len(frames) - 1) / (count - 1))] for i in range(count)]
