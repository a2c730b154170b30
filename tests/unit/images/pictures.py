"""Pictures drawn for tests, and their bytes in any format."""

import io

import numpy as np
from PIL import Image


def photo(width: int = 160, height: int = 120, *, seed: int = 0) -> Image.Image:
    """Draw soft colour blobs with a little noise: no two corners alike, as in a photo."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = soft + rng.integers(-6, 7, soft.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def distance(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of two RGB pictures of one size, in levels of 255."""
    difference = np.asarray(a, dtype=np.int16) - np.asarray(b, dtype=np.int16)
    return float(np.abs(difference).mean())
