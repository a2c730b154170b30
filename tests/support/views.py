"""Photos of several views; the test champion blames dark ones."""

import io
import struct

import numpy as np
from PIL import Image

from ml.vision.images.matrix_profile import SRGB_CHROMATICITIES, make_matrix_profile
from tests.support.photos import BRIGHT, DARK
from tests.unit.vision.images.animations import animated, chunk, insert_chunks
from tests.unit.vision.images.pictures import encoded

SIDE = (64, 48)


def noisy(brightness: int = BRIGHT, *, seed: int = 0, size: tuple[int, int] = SIDE) -> Image.Image:
    """The picture of `tests.support.photos.photo` before it is encoded."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-40, 41, (size[1], size[0], 3)) + brightness
    return Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))


def with_dark_frame(file_format: str, *, at: int, frames: int = 12) -> bytes:
    """An animation of bright frames, and a dark one."""
    pictures = [noisy(DARK if n == at else BRIGHT, seed=n) for n in range(frames)]
    return animated(pictures, file_format, lossless=True)


def bright_only(file_format: str, frames: int = 5) -> bytes:
    return animated([noisy(seed=n) for n in range(frames)], file_format, lossless=True)


def mostly_transparent() -> bytes:
    """Bright over white, dark over black."""
    picture = noisy(255)
    picture.putalpha(30)
    return encoded(picture, "PNG")


def strip_with_dark_end(parts: int = 6) -> bytes:
    """A strip, nearly all bright."""
    picture = noisy(size=(100 * parts, 100))
    picture.paste(noisy(DARK, size=(100, 100)), (100 * (parts - 1), 0))
    return encoded(picture, "PNG")


def long_strip() -> bytes:
    """A bright strip of more parts than are judged."""
    return encoded(noisy(size=(2000, 64)), "PNG")


def many_frames(frames: int = 1003) -> bytes:
    """More bright frames than are decoded."""
    pictures = [noisy(size=(32, 32), seed=n) for n in range(frames)]
    return animated(pictures, "GIF")


def of_unknown_colors() -> bytes:
    """A bright PNG whose code points say PQ."""
    return insert_chunks(encoded(noisy(), "PNG"), chunk(b"cICP", bytes([9, 16, 0, 1])))


def dark_by_gamma() -> bytes:
    """Bright pixels, which a browser shows dark."""
    return insert_chunks(encoded(noisy(), "PNG"), chunk(b"gAMA", struct.pack(">I", 9_000)))


def dark_by_profile() -> bytes:
    """A bright JPEG that its profile darkens."""
    out = io.BytesIO()
    profile = make_matrix_profile(9.0, SRGB_CHROMATICITIES)
    noisy().save(out, "JPEG", quality=90, icc_profile=profile)
    return out.getvalue()
