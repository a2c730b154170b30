"""Animations for tests, and the chunks of animated PNG files."""

import struct
import zlib

from PIL import Image, ImageDraw

from tests.unit.vision.images.pictures import encoded, photo

ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")


def animated(frames: list[Image.Image], file_format: str, **options: object) -> bytes:
    first, *others = frames
    return encoded(first, file_format, save_all=True, append_images=others, **options)


def marked(seed: int = 0, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A photo with a small dark square, which changes a few of its pixels."""
    picture = photo(*size, seed=seed)
    ImageDraw.Draw(picture).rectangle((20, 20, 40, 40), fill=(0, 0, 0))
    return picture


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def insert_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG file with chunks after its header."""
    return data[:33] + b"".join(chunks) + data[33:]
