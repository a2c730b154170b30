"""The photos of `benchmarks.decode_limits`: noise that fills the limits of pixels and bytes."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image, ImageFile

MAX_BYTES = 20 * 2**20
MAX_SCANS = 20  # of a JPEG at the limit of pixels
_JPEG_SIDE = 65_500
_TILE = 1000  # pixels per side of the sample from which the strength is chosen
_STRENGTHS = (100, 95, 90, 85, 80, 75, 70, 60, 50, 40, 30, 20, 15, 10, 7, 5, 3, 2, 1, 0.5, 0.2, 0.1)
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)

Size = tuple[int, int]
Encoder = Callable[[Size, float], bytes]  # size and strength (to 100): more strength, more bytes


def write_photo(name: str, megapixels: int, path: Path) -> None:
    """Write a photo with as much detail as the limit of bytes allows."""
    ImageFile.MAXBLOCK = 2**26  # Pillow writes a progressive JPEG in one block
    encode, shape = PHOTOS[name]
    size = shape(megapixels * 1_000_000)
    scale = size[0] * size[1] / _TILE**2
    for strength in _STRENGTHS:
        if len(encode((_TILE, _TILE), strength)) * scale > MAX_BYTES * 0.98:
            continue
        data = encode(size, strength)
        if len(data) <= MAX_BYTES:
            path.write_bytes(data)
            return
    raise ValueError(f"{name}: even the least detail takes more than {MAX_BYTES} bytes")


def _square(pixels: int) -> Size:
    side = int(pixels**0.5)
    return side, side


def _strip(pixels: int) -> Size:
    """So long that its short side needs a decode at half or full size."""
    return _JPEG_SIDE, pixels // _JPEG_SIDE


def _noise(size: Size, channels: int, strength: float) -> npt.NDArray[np.uint8]:
    """Pixels of which a share has another value than its neighbors."""
    rng = np.random.default_rng(1)
    shape = (size[1], size[0], channels)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    pixels[rng.random(shape[:2], dtype=np.float32) * 100 > strength] = 128
    return pixels


def _pillow(size: Size, strength: float, *, mode: str = "RGB", **options: object) -> bytes:
    """The strength is the quality of a lossy format, and the share of noise of the others."""
    lossless = options.get("lossless") or options["format"] in {"GIF", "BMP"}
    share = strength if lossless else min(100 * strength, 100)
    pixels = _noise(size, {"RGB": 3, "RGBA": 4, "CMYK": 4}.get(mode, 1), share)
    image = Image.fromarray(pixels.squeeze()) if mode != "CMYK" else Image.fromarray(pixels, mode)
    if mode == "1":
        image = image.convert("1", dither=Image.Dither.NONE)
    elif mode == "P":
        image = image.point(lambda value: value // 128).convert("P")
    if not lossless:
        options["quality"] = max(int(strength), 1)
    out = io.BytesIO()
    image.save(out, **options)  # type: ignore[arg-type]  # options of the encoders
    return out.getvalue()


def _many_scans(size: Size, strength: float) -> bytes:
    """A progressive JPEG whose last scan, a refinement, is repeated."""
    data = _pillow(size, strength, format="JPEG", progressive=True, subsampling=0)
    scans = data.count(b"\xff\xda")
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (MAX_SCANS - scans) + data[-2:]


def _png(size: Size, strength: float, *, interlaced: bool) -> bytes:
    """16 bits a channel with alpha, and the filter that takes the longest (Paeth)."""
    rng, packer = np.random.default_rng(1), zlib.compressobj(1)
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    packed = []
    for left, top, step_x, step_y in passes:
        width, height = (
            -(-(side - at) // step)
            for side, at, step in zip(size, (left, top), (step_x, step_y), strict=True)
        )
        for _ in range(height):
            row = np.zeros(8 * width, np.uint8)
            changed = rng.integers(0, len(row), max(int(len(row) * strength / 2000), 1))
            row[changed] = rng.integers(0, 256, len(changed), dtype=np.uint8)
            packed.append(packer.compress(b"\4" + row.tobytes()))
    packed.append(packer.flush())
    head = struct.pack(">IIBBBBB", *size, 16, 6, 0, 0, interlaced)
    chunks = ((b"IHDR", head), (b"IDAT", b"".join(packed)), (b"IEND", b""))
    framed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def _deep_avif(size: Size, strength: float, *, bits: int) -> bytes:
    pixels = _noise(size, 3, min(100 * strength, 100)).astype(np.uint16) << (bits - 8)
    options = [
        cv2.IMWRITE_AVIF_QUALITY,
        max(int(strength), 1),
        cv2.IMWRITE_AVIF_DEPTH,
        bits,
        cv2.IMWRITE_AVIF_SPEED,
        10,
    ]
    return cv2.imencode(".avif", pixels, options)[1].tobytes()


def _heic(size: Size, strength: float) -> bytes:
    image = Image.fromarray(_noise(size, 3, min(100 * strength, 100)))
    out, speed = io.BytesIO(), {"preset": "ultrafast"}
    quality = max(int(strength), 1)
    pillow_heif.from_pillow(image).save(out, quality=quality, chroma=444, enc_params=speed)
    return out.getvalue()


_jpeg = partial(_pillow, format="JPEG", subsampling=0)
_avif = partial(_pillow, format="AVIF", speed=10, subsampling="4:4:4")
PHOTOS: dict[str, tuple[Encoder, Callable[[int], Size]]] = {
    "JPEG baseline": (_jpeg, _square),
    "JPEG baseline, strip": (_jpeg, _strip),
    "JPEG progressive": (partial(_jpeg, progressive=True), _square),
    "JPEG progressive, strip, CMYK": (partial(_jpeg, progressive=True, mode="CMYK"), _strip),
    "JPEG progressive, 20 scans": (_many_scans, _square),
    "PNG 16-bit RGBA": (partial(_png, interlaced=False), _square),
    "PNG 16-bit RGBA, interlaced": (partial(_png, interlaced=True), _square),
    "WebP lossy": (partial(_pillow, format="WEBP", method=0), _square),
    "WebP lossless": (partial(_pillow, format="WEBP", lossless=True, method=0), _square),
    "AVIF 8-bit": (_avif, _square),
    "WebP lossless, alpha": (
        partial(_pillow, format="WEBP", mode="RGBA", lossless=True, method=0),
        _square,
    ),
    "AVIF 8-bit, alpha": (partial(_avif, mode="RGBA"), _square),
    "AVIF 10-bit": (partial(_deep_avif, bits=10), _square),
    "AVIF 12-bit": (partial(_deep_avif, bits=12), _square),
    "HEIC 8-bit": (_heic, _square),
    "GIF": (partial(_pillow, format="GIF", mode="P"), _square),
    "BMP 1-bit": (partial(_pillow, format="BMP", mode="1"), _square),
}
