"""Small photos whose colors, orientation, transparency or frames browsers may show differently."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.icc_profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    cmyk_profile,
    gray_profile,
    matrix_profile,
)

Photos = Iterator[tuple[str, bytes]]

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


def _with_alpha(alpha: int) -> Image.Image:
    image = drawn().convert("RGBA")
    image.putalpha(alpha)
    return image


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
    grey = encoded(drawn().convert("L"), "BMP")
    yield "BMP, pixels in the palette", grey[:10] + struct.pack("<I", 54) + grey[14:]


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


KINDS: dict[str, Callable[[], Photos]] = {
    "gamma": gamma_photos,
    "profile": profile_photos,
    "orientation": oriented_photos,
    "transparency": transparent_photos,
    "coding": coded_photos,
    "animation": animated_photos,
    "bitmap": bitmap_photos,
}
