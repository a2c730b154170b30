"""Bring a picture into sRGB, where its color profile changes what a browser shows.

Most profiles (of phones and cameras) change colors slightly, and are ignored: converting each of
their photos would take time, and the model has learned from photos that were not converted.
"""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from ml.vision.images.icc_header import is_sound

# How far a profile may move a sample, in levels of 255, and still be ignored: a gray one, and a
# color. With a gamma of 2.2, the primaries of Display P3 move them by 9 and 14, those of Adobe RGB
# by 9 and 22, of BT.2020 by 9 and 35; ProPhoto RGB by 19 and 74, swapped channels by 9 and 255.
MAX_GRAY_SHIFT, MAX_COLOR_SHIFT = 16, 40

_SRGB = ImageCms.createProfile("sRGB")
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# Coding-independent code points (ITU-T H.273): primaries and transfer functions of pictures that
# look, within the shifts above, as if they were sRGB. Not linear light, PQ and HLG.
_PLAIN_PRIMARIES = (1, 2, 5, 6, 7, 9, 11, 12)
_PLAIN_TRANSFERS = (1, 2, 4, 6, 7, 11, 13, 14, 15)

_PROFILES = 8  # kept with their samples: most photos of a shop have one of a few


@dataclass(frozen=True)
class ColorSpace:
    """What a file says about its colors: a profile, or that they are `unknown` to this program."""

    profile: bytes | None = None
    unknown: bool = False
    is_gray: bool = False  # of the file's own pixels, whatever they become


def is_plain(primaries: int, transfer: int) -> bool:
    """Whether a picture with these code points may be taken for sRGB."""
    return primaries in _PLAIN_PRIMARIES and transfer in _PLAIN_TRANSFERS


def convert_to_srgb(image: Image.Image, space: ColorSpace) -> tuple[Image.Image, bool]:
    """An 8-bit picture as by its profile, or itself where that hardly matters.

    Also returns whether its colors are known. A profile of another kind of picture is ignored, as
    browsers do; an alpha channel is kept.
    """
    if space.profile is None:
        return image, not space.unknown
    if not is_sound(space.profile):
        return image, False
    try:
        return _convert(image, space.profile, is_gray=space.is_gray), not space.unknown
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image, False  # what cannot be used here, a browser may show


def _convert(image: Image.Image, profile: bytes, *, is_gray: bool) -> Image.Image:
    space, moves = _examine(profile)
    if not moves:
        return image
    if is_gray and space == "L" and image.mode == "RGBA":
        alpha = image.getchannel("A")
        gray = _convert(image.getchannel("R"), profile, is_gray=True)
        return Image.merge("RGBA", [*gray.split(), alpha])
    mode = _mode_for(image, space)
    if mode is None:
        return image
    source = image if image.mode == mode else image.convert(mode)
    out_mode = "RGBA" if mode == "RGBA" else "RGB"
    return _transform(profile, mode, out_mode).apply(source)


def _mode_for(image: Image.Image, space: str | None) -> str | None:
    """The mode in which a profile applies to a picture; None: it does not."""
    if image.mode in ("CMYK", "L"):
        return space if image.mode == space or (image.mode, space) == ("L", "RGB") else None
    if space != "RGB":
        return None
    return "RGBA" if image.mode == "RGBA" else "RGB"


@lru_cache(_PROFILES)
def _examine(profile: bytes) -> tuple[str | None, bool]:
    """The mode of a profile's pictures, and whether it moves samples by more than the bounds."""
    described = ImageCms.getOpenProfile(io.BytesIO(profile)).profile
    space = _SPACES.get(described.xcolor_space)
    if space is None:
        return None, False
    samples = _samples(space)
    plain = np.asarray(samples.convert("RGB"), dtype=np.int16)[0]
    shown = np.asarray(_transform(profile, space, "RGB").apply(samples), dtype=np.int16)[0]
    shifts = np.abs(shown - plain).max(axis=1)
    is_gray = np.ptp(plain, axis=1) == 0
    colors = shifts[~is_gray].max(initial=0)
    return space, bool(shifts[is_gray].max() > MAX_GRAY_SHIFT or colors > MAX_COLOR_SHIFT)


def _samples(space: str) -> Image.Image:
    """A row of grays; and of primaries and their mixtures, at half and full intensity."""
    ramp = [(level, level, level) for level in range(0, 256, 15)]
    corners = [(r, g, b) for r in (0, 1) for g in (0, 1) for b in (0, 1) if len({r, g, b}) > 1]
    colors = [tuple(level * v for v in corner) for level in (128, 255) for corner in corners]
    row = Image.fromarray(np.array([ramp + colors], dtype=np.uint8))
    return row.convert(space)


@lru_cache(_PROFILES)
def _transform(profile: bytes, mode: str, out_mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.getOpenProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, _SRGB, mode, out_mode)
