"""Photos in every way that formats can code them; animations; BMP with unusual headers."""

import struct
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
from PIL import Image

from benchmarks.as_shown_drawing import chunk, drawn, encoded, transparent, with_chunks
from benchmarks.icc_profiles import SRGB, matrix_profile

Photos = Iterator[tuple[str, bytes]]

_SWAPPED = (SRGB[1], SRGB[2], SRGB[0])


def coded_photos() -> Photos:
    """Plain photos in every way that formats can code them."""
    image = drawn()
    jpeg = partial(encoded, image, "JPEG", quality=90)
    yield "JPEG, 4:2:0", jpeg(subsampling="4:2:0")
    yield "JPEG, 4:4:4, progressive", jpeg(subsampling="4:4:4", progressive=True)
    yield "JPEG, 4:2:2, progressive", jpeg(subsampling="4:2:2", progressive=True)
    yield "JPEG, RGB", jpeg(keep_rgb=True)
    yield "JPEG, grey", encoded(image.convert("L"), "JPEG", quality=90)
    yield "PNG, grey", encoded(image.convert("L"), "PNG")
    yield "PNG, 1 bit", encoded(image.convert("1"), "PNG")
    yield "PNG, palette of 16", encoded(image.quantize(16), "PNG", bits=4)
    deep = (np.asarray(image).astype(np.uint16) << 8) | 0x55
    yield "PNG, 16 bit", cv2.imencode(".png", deep[:, :, ::-1])[1].tobytes()
    yield "PNG, 16 bit, grey", cv2.imencode(".png", deep[:, :, 1])[1].tobytes()
    yield "WEBP, lossy", encoded(image, "WEBP", quality=90)
    yield "WEBP, lossless", encoded(image, "WEBP", lossless=True)
    avif = partial(encoded, image, "AVIF", quality=90, speed=9)
    yield "AVIF, limited range", avif(range="limited")
    yield "AVIF, full range", avif(range="full")
    yield "AVIF, 4:4:4", avif(subsampling="4:4:4")
    yield "AVIF, 4:0:0", encoded(image.convert("L"), "AVIF", subsampling="4:0:0", speed=9)
    for bits in (10, 12):
        options = [cv2.IMWRITE_AVIF_QUALITY, 90, cv2.IMWRITE_AVIF_DEPTH, bits]
        pixels = (np.asarray(image)[:, :, ::-1].astype(np.uint16)) << (bits - 8)
        yield f"AVIF, {bits} bit", cv2.imencode(".avif", pixels, options)[1].tobytes()
    for name, codes in {"P3": (12, 13), "PQ": (9, 16), "linear": (1, 8)}.items():
        yield f"AVIF, nclx {name}", _with_nclx(avif(), *codes)
    yield "GIF", encoded(image, "GIF")


def bitmap_photos() -> Photos:
    """BMP whose headers tell of colors, or whose pixels stand elsewhere."""
    plain, swapped = encoded(drawn(), "BMP"), matrix_profile(_SWAPPED, 2.2)
    yield "BMP", plain
    yield "BMP, palette", encoded(drawn().quantize(16), "BMP")
    yield "BMP, grey", encoded(drawn().convert("L"), "BMP")
    yield "BMP, 1 bit", encoded(drawn().convert("1"), "BMP")
    yield "BMP, profile swapped channels", _with_v5_header(plain, b"DEBM", profile=swapped)
    for gamma in (0.2, 1.0, 5.0):
        yield f"BMP, calibrated, gamma {gamma}", _with_v5_header(plain, bytes(4), gamma=gamma)
    yield "BMP, sRGB", _with_v5_header(plain, b"BGRs", gamma=0.2)
    yield "BMP, 16 bit, alpha", _with_short_alpha(drawn())
    grey = encoded(drawn().convert("L"), "BMP")
    yield "BMP, pixels in the palette", grey[:10] + struct.pack("<I", 54) + grey[14:]


def _with_short_alpha(image: Image.Image) -> bytes:
    """Pixels of 16 bits, five a color and one of alpha: the left half is transparent."""
    values = np.asarray(image)[::-1].astype(np.uint16) >> 3
    alpha = (np.arange(image.width) >= image.width // 2).astype(np.uint16)
    pixels = alpha << 15 | values[..., 0] << 10 | values[..., 1] << 5 | values[..., 2]
    header = struct.pack("<IiiHHI", 56, *image.size, 1, 16, 3) + bytes(20)
    header += struct.pack("<4I", 0x7C00, 0x3E0, 0x1F, 0x8000)
    body = pixels.astype("<u2").tobytes()
    return b"BM" + struct.pack("<IHHI", 70 + len(body), 0, 0, 70) + header + body


def _with_v5_header(bmp: bytes, kind: bytes, *, profile: bytes = b"", gamma: float = 0.0) -> bytes:
    header = struct.pack("<I", 124) + bmp[18:54] + bytes(16) + kind
    points = (0.64, 0.33, 0.03, 0.3, 0.6, 0.1, 0.15, 0.06, 0.79)
    header += struct.pack("<9I", *(round(value * 2**30) for value in points))
    header += struct.pack("<3I", *[round(gamma * 65536)] * 3)
    header += struct.pack("<4I", 4, 124 + len(bmp) - 54, len(profile), 0)
    start, size = 14 + len(header), 14 + len(header) + len(bmp) - 54 + len(profile)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, start) + header + bmp[54:] + profile


def _with_nclx(avif: bytes, primaries: int, transfer: int) -> bytes:
    place = avif.index(b"nclx") + 4
    return avif[:place] + struct.pack(">HH", primaries, transfer) + avif[place + 4 :]


def animated_photos() -> Photos:
    """Animations whose first frame stays for a minute."""
    frames = [drawn(turn=1), drawn(turn=2)]
    options: dict[str, object] = {"save_all": True, "append_images": frames, "duration": 60_000}
    for file_format in ("GIF", "WEBP", "PNG", "AVIF"):
        yield f"{file_format}, animated", encoded(drawn(), file_format, **options)
    first = encoded(drawn(), "PNG", default_image=True, **options)
    yield "PNG, animated, with another default picture", first
    yield "GIF, animated, once", encoded(drawn(), "GIF", loop=0, **options)
    clear = transparent()
    options["append_images"] = [clear.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    for file_format in ("WEBP", "PNG"):
        yield f"{file_format}, animated, transparent", encoded(clear, file_format, **options)
    still = encoded(drawn(), "PNG")
    control = chunk(b"acTL", struct.pack(">II", 1, 0))
    yield "PNG, acTL of one frame", with_chunks(still, control)
    yield "PNG, two acTL", with_chunks(still, control, control)
