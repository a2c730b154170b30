"""Pictures drawn for tests, and their bytes in any format."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
from PIL import Image


def photo(width: int = 160, height: int = 120, *, seed: int = 0) -> Image.Image:
    """Draw smooth color blobs with a little noise; all corners differ, as in a photo."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = soft + rng.integers(-6, 7, soft.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    if file_format == "HEIF":  # Pillow has no encoder
        pillow_heif.from_pillow(image).save(buffer, **options)
    else:
        image.save(buffer, file_format, **options)
    return buffer.getvalue()


def damaged(data: bytes, junk: bytes, *, at: float, cut: float) -> bytes:
    """Overwrite the place at a share of the file with junk, and keep a share of the result."""
    place = round(at * len(data))
    return (data[:place] + junk + data[place + len(junk) :])[: round(cut * len(data))]


def distance(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of two RGB pictures of equal size, in levels of 255."""
    difference = np.asarray(a, dtype=np.int16) - np.asarray(b, dtype=np.int16)
    return float(np.abs(difference).mean())


def png_that_pillow_warns_of() -> bytes:
    """A still PNG whose animation header declares zero frames."""
    data = encoded(photo(), "PNG")
    body = b"acTL" + struct.pack(">II", 0, 0)
    chunk = struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]  # after IHDR
