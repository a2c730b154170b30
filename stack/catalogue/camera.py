"""What a phone camera adds: falling-off light, a colour cast, softness, noise and JPEG."""

import io
import math

import numpy as np
from PIL import ExifTags, Image, ImageChops

from stack.catalogue.craft.dice import Rng, between, chance, pick, whole
from stack.catalogue.craft.noise import grain
from stack.catalogue.craft.pixels import Field, enlarge, floats, picture

_TURNS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
_MIDDLE_GREY = 120
_NO_NOISE = 128


def _illumination(rng: Rng, height: int, width: int) -> Field:
    """Return brightness over the frame: a window on one side, darker corners."""
    ys, xs = np.mgrid[-1:1:24j, -1:1:24j].astype(np.float32)
    angle, strength = between(rng, 0, 2 * np.pi), between(rng, 0.02, 0.22)
    window = strength * (xs * np.cos(angle) + ys * np.sin(angle))
    corners = between(rng, 0.03, 0.2) * (xs**2 + ys**2) / 2
    field = (1 + window) * (1 - corners)
    if chance(rng, 0.12):
        edge = between(rng, -0.4, 0.6)
        shade = 1 / (1 + np.exp(-(xs * np.cos(angle) - ys * np.sin(angle) + edge) * 7))
        field = field * (1 - 0.4 * shade)
    return enlarge(floats(field), height, width)


def _balance(rng: Rng) -> Field:
    """Return the gains of red, green and blue: daylight, lamp light or in between."""
    warmth = between(rng, -0.1, 0.16)
    gains = [1 + warmth, 1 + between(rng, -0.02, 0.02), 1 - warmth]
    return np.array(gains, dtype=np.float32)


def _exposure(rng: Rng, photo: Image.Image) -> float:
    """Return the gain that a phone's metering chooses: part of the way to middle brightness."""
    mean = float(floats(photo.reduce(16)).mean())
    return math.pow(between(rng, 122, 176) / max(mean, 30.0), 0.6)


def _softened(photo: Image.Image, detail: float) -> Image.Image:
    """Return the photo through a worse lens, which keeps a share (0..1) of the resolution."""
    small = photo.resize(
        (int(photo.width * detail), int(photo.height * detail)), Image.Resampling.BILINEAR
    )
    return small.resize(photo.size, Image.Resampling.BILINEAR)


def _tone(rng: Rng, gain: float) -> list[int]:
    """Return the table of 3 x 256 levels: exposure, white balance, contrast, lifted blacks."""
    contrast, lift = between(rng, 1.0, 1.25), between(rng, 0, 10)
    levels = np.arange(256)[None, :] * (_balance(rng) * gain * (contrast - lift / 255))[:, None]
    toned = levels + (_MIDDLE_GREY * (1 - contrast) + lift)
    return [int(level) for level in np.clip(toned, 0, 255).ravel()]


def _noise(rng: Rng, height: int, width: int) -> Image.Image:
    """Return a sensor's noise as an RGB picture about `_NO_NOISE`."""
    speckle = grain(rng, height, width) * np.float32(between(rng, 1.2, 5.0))
    one = picture(speckle + _NO_NOISE)
    return Image.merge("RGB", (one, one, one))


def exposed(rng: Rng, photo: Image.Image) -> Image.Image:
    """Return the scene as the sensor saw it (RGB, same size).

    In whole levels throughout: half the time of floating point, and the noise hides the steps.
    """
    height, width = photo.height, photo.width
    if chance(rng, 0.25):
        photo = _softened(photo, between(rng, 0.5, 0.85))
    field = _illumination(rng, height, width)
    brightest = float(field.max())
    toned = photo.point(_tone(rng, brightest * _exposure(rng, photo)))
    shade = picture(field * np.float32(255 / brightest))
    lit = ImageChops.multiply(toned, Image.merge("RGB", (shade, shade, shade)))
    return ImageChops.add(lit, _noise(rng, height, width), 1, -_NO_NOISE)


def stored(rng: Rng, photo: Image.Image, *, turned: bool = True) -> bytes:
    """Return the photo as JPEG bytes, now and then held sideways with EXIF orientation set.

    Args:
        rng: source of chance.
        photo: RGB, upright.
        turned: whether orientation may be used; a screenshot is never turned.
    """
    exif = Image.Exif()
    if turned and chance(rng, 0.08):
        orientation = pick(rng, tuple(_TURNS))
        photo = photo.transpose(_TURNS[orientation])
        exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=whole(rng, 74, 92), exif=exif)
    return buffer.getvalue()
