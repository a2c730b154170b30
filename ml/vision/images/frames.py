"""Choose frames of an animation to judge: the first, middle and last, a drawn one, and others.

The others are those that differ most, so that a frame shown among many alike ones is seen. The
choice depends on the file alone: a replay judges the same frames.
"""

import math
import random
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from ml.vision.images.decoder_input import MAX_FRAMES
from ml.vision.images.upright_rgb import reduce_to, to_8_bits
from ml.vision.images.views import MIN_FRAMES

_THUMBNAIL = 32  # pixels of the side of what is compared

Thumbnail = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a photo, counted from 0, as it is stored: see `to_8_bits` for its modes."""

    number: int
    image: Image.Image
    thumbnail: Thumbnail = field(default_factory=lambda: np.empty(0, np.float32), repr=False)


def count_readable(image: ImageFile.ImageFile, *, max_pixels: int) -> tuple[int, int]:
    """How many frames there are, and how many may be decoded: `max_pixels` in total."""
    total = getattr(image, "n_frames", 1)
    return total, max(min(total, MAX_FRAMES, max_pixels // math.prod(image.size)), 1)


def choose_frames(
    image: ImageFile.ImageFile, *, readable: int, wanted: int, seed: int
) -> list[Frame]:
    """Up to `wanted`, at least `MIN_FRAMES`, of the first `readable` frames, in their order.

    Frames equal to an earlier one are left out. Raises what the decoder raises.
    """
    drawn = random.Random(seed).randrange(readable)  # noqa: S311 - the same for the same file
    numbers = {0, readable // 2, readable - 1, *([drawn] if wanted > MIN_FRAMES else [])}
    fixed: list[Frame] = []
    others: list[Frame] = []
    for number in range(readable):
        image.seek(number)
        image.load()
        thumbnail = _thumbnail(image)
        if number in numbers:
            fixed.append(_keep(number, image, thumbnail))
        elif wanted > len(numbers) and _difference(thumbnail, [*fixed, *others]) > 0:
            others.append(_keep(number, image, thumbnail))
            if len(others) > wanted - len(numbers):
                del others[_most_alike(others, fixed)]
    return _without_copies(sorted(fixed + others, key=lambda frame: frame.number))


def _keep(number: int, image: Image.Image, thumbnail: Thumbnail) -> Frame:
    """A copy of the current frame, reduced if it is large: several are kept at a time."""
    return Frame(number, reduce_to(to_8_bits(image).copy()), thumbnail)


def _thumbnail(image: Image.Image) -> Thumbnail:
    size = (_THUMBNAIL, _THUMBNAIL)
    reduced = image.convert("RGBA").resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(reduced, dtype=np.float32)


def _difference(thumbnail: Thumbnail, frames: list[Frame]) -> float:
    """The mean difference to the most similar of the frames, in levels of 255."""
    return min(float(np.abs(thumbnail - frame.thumbnail).mean()) for frame in frames)


def _most_alike(others: list[Frame], fixed: list[Frame]) -> int:
    """The index of the one that is most similar to any other frame."""

    def difference(index: int) -> float:
        rest = [*fixed, *others[:index], *others[index + 1 :]]
        return _difference(others[index].thumbnail, rest)

    return min(range(len(others)), key=difference)


def _without_copies(frames: list[Frame]) -> list[Frame]:
    first: dict[bytes, Frame] = {}
    for frame in frames:
        first.setdefault(frame.image.convert("RGBA").tobytes(), frame)
    return list(first.values())
