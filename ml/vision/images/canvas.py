"""The canvas of an animation: each frame changes a part of it, and may leave it changed or not.

Pillow composes frames of GIF and PNG itself, but not as browsers do: what a frame clears, or leaves
uncovered, becomes a color in place of transparent, and half transparent frames lose opacity.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason

_CLEAR = (0, 0, 0, 0)


class Disposal(IntEnum):
    """What becomes of a frame's part of the canvas before the next frame."""

    KEEP = 0
    CLEAR = 1
    RESTORE = 2


@dataclass(frozen=True)
class Part:
    """A frame before it is composed: an RGBA picture, where it belongs, and how it is drawn.

    `replaces`: its alpha channel counts as it is; otherwise it is laid over what is there.
    """

    picture: Image.Image
    left: int
    top: int
    disposal: Disposal
    replaces: bool


def compose_frames(size: tuple[int, int], parts: Iterable[Part]) -> Iterator[Image.Image]:
    """The frames as a browser shows them, RGBA of that size.

    Each part must be inside, see `check_inside`.
    """
    canvas = Image.new("RGBA", size, _CLEAR)
    for part in parts:
        width, height = part.picture.size
        box = part.left, part.top, part.left + width, part.top + height
        before = canvas.copy() if part.disposal is Disposal.RESTORE else None
        if part.replaces:
            canvas.paste(part.picture, box)
        else:
            canvas.alpha_composite(part.picture, (part.left, part.top))
        yield canvas.copy()
        if before is not None:
            canvas = before
        elif part.disposal is Disposal.CLEAR:
            canvas.paste(_CLEAR, box)


def check_inside(size: tuple[int, int], place: tuple[int, int], part: tuple[int, int]) -> None:
    """Check a part before it is decoded: its place and size within a canvas of a size.

    Raises:
        ImageRejected: `animated` for one that reaches beyond.
    """
    if any(at + side > whole for at, side, whole in zip(place, part, size, strict=True)):
        detail = "a frame reaches beyond the picture: programs clip it, or enlarge the picture"
        raise ImageRejected(QuarantineReason.ANIMATED, detail)
