"""Small photos whose colors, orientation or transparency browsers may show differently."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.as_shown_codings import Photos, animated_photos, bitmap_photos, coded_photos
from benchmarks.as_shown_drawing import chunk, drawn, encoded, transparent, with_chunks
from benchmarks.icc_profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    cmyk_profile,
    gray_profile,
    matrix_profile,
)

_ORIENTATION = 0x0112
_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff='
    b'"http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
)
_SWAPPED = (SRGB[1], SRGB[2], SRGB[0])
_STEEP = [0] * 200 + [65535] * 56  # a table that hides all but the brightest levels
_TWO_FACES = [0] * 240 + [round(65535 * step / 15) for step in range(16)]
# What cyan, magenta, yellow and black take from white, in L, a and b of 8 bits: not the usual.
_INKS = ((60, -70, 20), (20, 60, -70), (70, 20, 60), (200, 0, 0))


def _gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def _chromaticities(*values: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values)))


def gamma_photos() -> Photos:
    """PNG whose chunks `gAMA`, `cHRM`, `cICP` and `sRGB` say what its values mean."""
    rgb, gray = encoded(drawn(), "PNG"), encoded(drawn().convert("L"), "PNG")
    palette = encoded(drawn().quantize(64), "PNG")
    swapped = _chromaticities(0.3127, 0.329, 0.15, 0.06, 0.64, 0.33, 0.3, 0.6)
    wide = _chromaticities(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
    srgb = chunk(b"sRGB", b"\0")
    for value in (0.01, 0.1, 0.25, 0.45455, 0.5, 1.0, 2.2, 10.0):
        yield f"PNG, gAMA {value}", with_chunks(rgb, _gamma(value))
    yield "PNG, grey, gAMA 0.1", with_chunks(gray, _gamma(0.1))
    yield "PNG, palette, gAMA 0.1", with_chunks(palette, _gamma(0.1))
    yield "PNG, alpha, gAMA 0.1", with_chunks(encoded(transparent(), "PNG"), _gamma(0.1))
    yield "PNG, gAMA 0.01 and sRGB", with_chunks(rgb, _gamma(0.01), srgb)
    yield "PNG, two gAMA", with_chunks(rgb, _gamma(0.45455), _gamma(0.05))
    end = rgb.index(b"IDAT") - 4
    after = rgb.index(b"IEND") - 4
    yield "PNG, gAMA 0.01 before IDAT", rgb[:end] + _gamma(0.01) + rgb[end:]
    yield "PNG, gAMA 0.01 after IDAT", rgb[:after] + _gamma(0.01) + rgb[after:]
    yield "PNG, cHRM of swapped primaries", with_chunks(rgb, _gamma(0.45455), swapped)
    yield "PNG, cHRM of P3", with_chunks(rgb, _gamma(0.45455), wide)
    yield "PNG, cHRM alone", with_chunks(rgb, swapped)
    for name, codes in {"sRGB": (1, 13, 0, 1), "P3": (12, 13, 0, 1), "PQ": (9, 16, 0, 1)}.items():
        yield f"PNG, cICP {name}", with_chunks(rgb, chunk(b"cICP", bytes(codes)))


def profile_photos() -> Photos:
    """Photos with ICC profiles, in each format that can have one."""
    profiles = {
        "sRGB": matrix_profile(SRGB, 2.2),
        "P3": matrix_profile(DISPLAY_P3, 2.2),
        "Adobe RGB": matrix_profile(ADOBE_RGB, 2.2),
        "swapped channels": matrix_profile(_SWAPPED, 2.2),
        "gamma 12": matrix_profile(SRGB, 12.0),
        "gamma 0.1": matrix_profile(SRGB, 0.1),
        "steep": matrix_profile(SRGB, _STEEP),
        "two faces": matrix_profile(SRGB, _TWO_FACES),
        "inverted": matrix_profile(SRGB, [65535 - 257 * level for level in range(256)]),
    }
    options: dict[str, dict[str, object]] = {
        "JPEG": {"quality": 95},
        "PNG": {},
        "WEBP": {"lossless": True},
        "AVIF": {"speed": 9},
    }
    for name, profile in profiles.items():
        for file_format in options if name in {"swapped channels", "steep"} else ("JPEG", "PNG"):
            data = encoded(drawn(), file_format, icc_profile=profile, **options[file_format])
            yield f"{file_format}, profile {name}", data
    gray = drawn().convert("L")
    for gamma in (2.2, 8.0, 0.15):
        data = encoded(gray, "JPEG", quality=95, icc_profile=gray_profile(gamma))
        yield f"JPEG, grey, profile gamma {gamma}", data
    cmyk = drawn().convert("CMYK")
    yield "JPEG, CMYK", encoded(cmyk, "JPEG", quality=95)
    inks = cmyk_profile(_INKS)
    yield "JPEG, CMYK, profile", encoded(cmyk, "JPEG", quality=95, icc_profile=inks)
    rgb_profile = matrix_profile(_SWAPPED, 2.2)
    yield "JPEG, grey, profile for RGB", encoded(gray, "JPEG", icc_profile=rgb_profile)
    yield "JPEG, RGB, profile for grey", encoded(drawn(), "JPEG", icc_profile=gray_profile(8.0))
    yield "JPEG, broken profile", encoded(drawn(), "JPEG", icc_profile=rgb_profile[:200])
    steep = encoded(drawn(), "PNG", icc_profile=profiles["steep"])
    yield "PNG, profile steep and gAMA", with_chunks(steep, _gamma(0.45455))
    yield "PNG, profile steep and sRGB", with_chunks(steep, chunk(b"sRGB", b"\0"))
    yield (
        "PNG, palette, profile steep",
        encoded(drawn().quantize(64), "PNG", icc_profile=profiles["steep"]),
    )


def oriented_photos() -> Photos:
    """Photos that EXIF, or XMP alone, says are turned."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        for file_format in ("JPEG", "PNG", "WEBP", "AVIF"):
            if file_format == "JPEG" or orientation in {2, 3, 6, 7}:
                data = encoded(drawn(), file_format, exif=exif)
                yield f"{file_format}, EXIF orientation {orientation}", data
        if orientation in {3, 6}:
            for file_format in ("JPEG", "PNG", "WEBP"):
                data = encoded(drawn(), file_format, **_xmp_options(file_format, orientation))
                yield f"{file_format}, XMP orientation {orientation}", data


def _xmp_options(file_format: str, orientation: int) -> dict[str, object]:
    xmp = _XMP % orientation
    if file_format != "PNG":
        return {"xmp": xmp}
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415 - only here

    texts = PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return {"pnginfo": texts}


def transparent_photos() -> Photos:
    """Photos with transparent pixels, of each kind."""
    image = transparent()
    yield "PNG, RGBA", encoded(image, "PNG")
    yield "PNG, grey and alpha", encoded(image.convert("LA"), "PNG")
    yield "PNG, palette and tRNS", encoded(image.quantize(64), "PNG")
    yield "PNG, RGB and tRNS", encoded(drawn(), "PNG", transparency=(220, 20, 30))
    yield "PNG, grey and tRNS", encoded(drawn().convert("L"), "PNG", transparency=36)
    gray = drawn().convert("L")
    yield "PNG, 4 bit, grey and tRNS", _with_key(gray, 4, 15)
    yield "PNG, 16 bit, grey and tRNS", _with_key(gray, 16, 0xFFFF)
    yield "PNG, all transparent", encoded(_with_alpha(0), "PNG")
    yield "PNG, half transparent", encoded(_with_alpha(128), "PNG")
    yield (
        "PNG, RGBA with bKGD",
        with_chunks(encoded(image, "PNG"), chunk(b"bKGD", struct.pack(">3H", 255, 0, 0))),
    )
    yield "WEBP, lossy alpha", encoded(image, "WEBP", quality=90)
    yield "WEBP, lossless alpha", encoded(image, "WEBP", lossless=True, exact=True)
    yield "AVIF, alpha", encoded(image, "AVIF", quality=90, speed=9)
    hard = image.copy()
    hard.putalpha(image.getchannel("A").point(lambda value: 255 * (value > 127)))
    yield "GIF, transparent", encoded(hard, "GIF")
    yield "PNG, alpha in steps", encoded(hard, "PNG")


def _with_key(gray: Image.Image, depth: int, key: int) -> bytes:
    """A grey PNG of another depth with a transparent level."""
    levels = np.asarray(gray).astype(np.uint16)
    rows = levels * 257 if depth == 16 else (levels[:, ::2] >> 4 << 4) | (levels[:, 1::2] >> 4)
    packed = rows.astype(">u2" if depth == 16 else np.uint8)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))
    head = struct.pack(">IIBBBBB", *gray.size, depth, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"tRNS", struct.pack(">H", key)), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def _with_alpha(alpha: int) -> Image.Image:
    image = drawn().convert("RGBA")
    image.putalpha(alpha)
    return image


KINDS: dict[str, Callable[[], Photos]] = {
    "gamma": gamma_photos,
    "profile": profile_photos,
    "orientation": oriented_photos,
    "transparency": transparent_photos,
    "coding": coded_photos,
    "animation": animated_photos,
    "bitmap": bitmap_photos,
}
