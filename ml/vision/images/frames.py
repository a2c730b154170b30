"""Choose frames of an animation to judge: the first, middle and last, a drawn one, and others.

The others are those that differ most, so that a frame shown among many alike ones is seen. The
choice depends on the file alone: a replay judges the same frames.
"""

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from ml.vision.images.decoder_input import MAX_DECODED_FRAMES
from ml.vision.images.gif_frames import read_gif_frames
from ml.vision.images.png_frames import read_png_frames
from ml.vision.images.upright_rgb import reduce_to, to_8_bits
from ml.vision.images.views import MIN_FRAMES

# A reviewer looks if a frame that is left out differs more from all that are judged, in levels of
# 255. An estimate: it was tried on generated animations, not on those of buyers.
MAX_DIFFERENCE = 32.0

_THUMBNAIL = 32  # pixels of the side of what is compared

Thumbnail = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a photo, counted from 0, as it is stored: see `to_8_bits` for its modes."""

    number: int
    image: Image.Image
    thumbnail: Thumbnail = field(default_factory=lambda: np.empty(0, np.float32), repr=False)


@dataclass(frozen=True)
class ChosenFrames:
    """Frames to judge, in their order; and whether one that was left out differs from each."""

    frames: list[Frame]
    misses_some: bool


def count_readable(image: ImageFile.ImageFile, *, max_pixels: int) -> tuple[int, int]:
    """How many frames there are, and how many may be decoded: `max_pixels` in total."""
    total = getattr(image, "n_frames", 1)
    return total, max(min(total, MAX_DECODED_FRAMES, max_pixels // math.prod(image.size)), 1)


def read_frames(image: ImageFile.ImageFile, data: bytes) -> Iterator[Image.Image]:
    """All frames of an animation as they are shown; `data` is what the image was opened from."""
    if image.format == "PNG":
        yield from read_png_frames(data)
    elif image.format == "GIF":
        yield from read_gif_frames(data)
    else:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            yield image


def choose_frames(
    frames: Iterable[Image.Image], *, readable: int, wanted: int, seed: int
) -> ChosenFrames:
    """Up to `wanted`, at least `MIN_FRAMES`, of the first `readable` frames.

    Frames equal to an earlier one are left out. Raises what the decoder raises.
    """
    drawn = random.Random(seed).randrange(readable)  # noqa: S311 - the same for the same file
    numbers = {0, readable // 2, readable - 1, *([drawn] if wanted > MIN_FRAMES else [])}
    fixed: list[Frame] = []
    others: list[Frame] = []
    left_out: list[Thumbnail] = []
    for number, image in enumerate(islice(frames, readable)):
        thumbnail = _thumbnail(image)
        if number in numbers:
            fixed.append(_keep(number, image, thumbnail))
        elif wanted > len(numbers) and _difference(thumbnail, [*fixed, *others]) > 0:
            others.append(_keep(number, image, thumbnail))
            if len(others) > wanted - len(numbers):
                left_out.append(others.pop(_most_alike(others, fixed)).thumbnail)
        else:
            left_out.append(thumbnail)
    chosen = sorted(fixed + others, key=lambda frame: frame.number)
    misses_some = any(_difference(each, chosen) > MAX_DIFFERENCE for each in left_out)
    return ChosenFrames(_without_copies(chosen), misses_some)


def _keep(number: int, image: Image.Image, thumbnail: Thumbnail) -> Frame:
    """A copy of the current frame, reduced if it is large: several are kept at a time."""
    return Frame(number, reduce_to(to_8_bits(image).copy()), thumbnail)


def _thumbnail(image: Image.Image) -> Thumbnail:
    size = (_THUMBNAIL, _THUMBNAIL)
    rgba = to_8_bits(image).convert("RGBA")
    reduced = rgba.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    values = np.asarray(reduced, dtype=np.float32)
    # Colors of transparent pixels are not seen.
    return np.concatenate([values[..., :3] * values[..., 3:] / 255, values[..., 3:]], axis=2)


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
