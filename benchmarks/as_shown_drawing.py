"""Pictures drawn for the comparison with browsers, and their bytes."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageDraw


def drawn(size: tuple[int, int] = (160, 120), *, turn: int = 0) -> Image.Image:
    """Draw a photo whose corners, colors and grays all differ."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([across, down, 255 - (across + down) / 2], axis=2).astype(np.uint8)
    image = Image.fromarray(np.roll(pixels, turn, axis=2))
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 8, 48, 32), fill=(220, 20, 30))
    draw.rectangle((width - 40, 8, width - 8, 56), fill=(20, 160, 60))
    draw.ellipse((12, height - 48, 52, height - 8), fill=(30, 40, 200))
    for step in range(8):
        draw.rectangle((60 + 10 * step, 70, 70 + 10 * step, 90), fill=(36 * step,) * 3)
    return image


def transparent() -> Image.Image:
    """The photo with an alpha channel from 0 to 255, and white text where it is transparent."""
    image = drawn().convert("RGBA")
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, 160).astype(np.uint8), (120, 1)))
    image.putalpha(alpha)
    ImageDraw.Draw(image).rectangle((4, 50, 50, 64), fill=(255, 255, 255, 255))
    return image


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """Return the bytes of a picture."""
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk."""
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks after its header."""
    return data[:33] + b"".join(chunks) + data[33:]
