"""Effects of a phone camera: uneven light, white balance, blur, sensor noise, JPEG."""

import io
import math

import numpy as np
from PIL import ExifTags, Image, ImageChops

from devtools.sample_photos.rendering.noise import pixel_noise
from devtools.sample_photos.rendering.pixels import Field, as_floats, as_image, resize_field
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform

_ROTATIONS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
_MIDDLE_GREY = 120
_NO_NOISE = 128


def _illumination(rng: Rng, height: int, width: int) -> Field:
    """Return the brightness of the frame: a window on one side, vignetting."""
    ys, xs = np.mgrid[-1:1:24j, -1:1:24j].astype(np.float32)
    angle, strength = uniform(rng, 0, 2 * np.pi), uniform(rng, 0.02, 0.22)
    window = strength * (xs * np.cos(angle) + ys * np.sin(angle))
    corners = uniform(rng, 0.03, 0.2) * (xs**2 + ys**2) / 2
    field = (1 + window) * (1 - corners)
    if chance(rng, 0.12):
        edge = uniform(rng, -0.4, 0.6)
        shade = 1 / (1 + np.exp(-(xs * np.cos(angle) - ys * np.sin(angle) + edge) * 7))
        field = field * (1 - 0.4 * shade)
    return resize_field(as_floats(field), height, width)


def _white_balance(rng: Rng) -> Field:
    """Return the gains of red, green and blue: daylight, lamp light or in between."""
    warmth = uniform(rng, -0.1, 0.16)
    gains = [1 + warmth, 1 + uniform(rng, -0.02, 0.02), 1 - warmth]
    return np.array(gains, dtype=np.float32)


def _exposure(rng: Rng, photo: Image.Image) -> float:
    """Return the gain of the exposure metering: part of the way to middle brightness."""
    mean = float(as_floats(photo.reduce(16)).mean())
    return math.pow(uniform(rng, 122, 176) / max(mean, 30.0), 0.6)


def _soften(photo: Image.Image, detail: float) -> Image.Image:
    """Return the photo with a share (0..1) of its resolution, as from a worse lens."""
    small = photo.resize(
        (int(photo.width * detail), int(photo.height * detail)), Image.Resampling.BILINEAR
    )
    return small.resize(photo.size, Image.Resampling.BILINEAR)


def _tone(rng: Rng, gain: float) -> list[int]:
    """Return the table of 3 x 256 levels: exposure, white balance, contrast, lifted blacks."""
    contrast, lift = uniform(rng, 1.0, 1.25), uniform(rng, 0, 10)
    levels = (
        np.arange(256)[None, :] * (_white_balance(rng) * gain * (contrast - lift / 255))[:, None]
    )
    toned = levels + (_MIDDLE_GREY * (1 - contrast) + lift)
    return [int(level) for level in np.clip(toned, 0, 255).ravel()]


def _noise(rng: Rng, height: int, width: int) -> Image.Image:
    """Return sensor noise as an RGB picture around `_NO_NOISE`."""
    speckle = pixel_noise(rng, height, width) * np.float32(uniform(rng, 1.2, 5.0))
    one = as_image(speckle + _NO_NOISE)
    return Image.merge("RGB", (one, one, one))


def expose(rng: Rng, photo: Image.Image) -> Image.Image:
    """Return the scene as the sensor records it (RGB, same size).

    Computed in integers: half the time of floating point, and the noise hides the rounding.
    """
    height, width = photo.height, photo.width
    if chance(rng, 0.25):
        photo = _soften(photo, uniform(rng, 0.5, 0.85))
    field = _illumination(rng, height, width)
    brightest = float(field.max())
    toned = photo.point(_tone(rng, brightest * _exposure(rng, photo)))
    shade = as_image(field * np.float32(255 / brightest))
    lit = ImageChops.multiply(toned, Image.merge("RGB", (shade, shade, shade)))
    return ImageChops.add(lit, _noise(rng, height, width), 1, -_NO_NOISE)


def encode_jpeg(rng: Rng, photo: Image.Image, *, may_rotate: bool = True) -> bytes:
    """Return the photo as JPEG bytes, some rotated with the EXIF orientation set.

    Args:
        rng: source of randomness.
        photo: RGB, upright.
        may_rotate: whether it may be stored rotated; a screenshot never is.
    """
    exif = Image.Exif()
    if may_rotate and chance(rng, 0.08):
        orientation = choice(rng, tuple(_ROTATIONS))
        photo = photo.transpose(_ROTATIONS[orientation])
        exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=integer(rng, 74, 92), exif=exif)
    return buffer.getvalue()
