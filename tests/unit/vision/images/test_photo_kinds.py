"""docs/photo_formats.md says what becomes of each kind of photo, and the code does it."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from benchmarks.as_shown_codings import bitmap_photos
from benchmarks.as_shown_photos import transparent_photos
from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.decode import decode
from ml.vision.images.matrix_profile import SRGB_CHROMATICITIES, make_matrix_profile
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.views import Unjudged
from tests.support import views
from tests.unit.vision.images.animations import ANIMATED, animated, chunk, insert_chunks
from tests.unit.vision.images.avif_boxes import box, encode_heif
from tests.unit.vision.images.pictures import distance, encoded, photo
from tests.unit.vision.images.test_bmp_header import run_length_bmp

PAGE = Path(__file__).parents[4] / "docs" / "photo_formats.md"
LIMITS = DecodeLimits(max_bytes=4 * 2**20, max_pixels=4_000_000)
WHITE, RED, GREEN, BLUE = SRGB_CHROMATICITIES


class Outcome(NamedTuple):
    """What the page says: what happens, and the reason code."""

    verb: str
    reason: str


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def turned(file_format: str) -> bytes:
    return encoded(photo(), file_format, exif=orientation(6))


def with_code_points(data: bytes, primaries: int, transfer: int) -> bytes:
    """An AVIF file with other code points of its colors."""
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def with_profile(exponent: float, *chromaticities: tuple[float, float]) -> bytes:
    profile = make_matrix_profile(exponent, (WHITE, *(chromaticities or (RED, GREEN, BLUE))))
    return encoded(photo(), "PNG", icc_profile=profile)


def png_with(kind: bytes, body: bytes) -> bytes:
    return insert_chunks(encoded(photo(), "PNG"), chunk(kind, body))


def transparent() -> bytes:
    picture = photo()
    picture.putalpha(100)
    return encoded(picture, "PNG")


def with_text(size: int) -> bytes:
    return png_with(b"tEXt", b"k\x00" + b"v" * size)


def many_scans() -> bytes:
    """A progressive JPEG with its last scan thousands of times."""
    data = encoded(photo(), "JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[start:end] * 6_000 + data[end:]


STEEP = make_matrix_profile(9.0, SRGB_CHROMATICITIES)
USUAL = make_matrix_profile(2.2, SRGB_CHROMATICITIES)
USUAL_GAMMA, STEEP_GAMMA = (chunk(b"gAMA", struct.pack(">I", g)) for g in (45_455, 1_000))
SWAPPED = chunk(
    b"cHRM", struct.pack(">8I", *(round(1e5 * v) for xy in (WHITE, GREEN, RED, BLUE) for v in xy))
)
SIXTEEN_BITS = Image.fromarray(np.full((48, 64), 40_000, np.uint16))

COLORS = [(n * 12, 255 - n * 12, n * 97 % 256) for n in range(20)]
SHOWN = dict(transparent_photos()) | dict(bitmap_photos())
KINDS: dict[str, list[Callable[[], bytes]]] = {
    "JPEG, baseline or progressive": [
        lambda: encoded(photo(), "JPEG"),
        lambda: encoded(photo(), "JPEG", progressive=True),
        lambda: encoded(photo().convert("CMYK"), "JPEG"),
        lambda: encoded(photo().convert("L"), "JPEG"),
    ],
    "PNG, 1 to 16 bits": [
        lambda: encoded(photo().convert("1"), "PNG"),
        lambda: encoded(photo().quantize(), "PNG"),
        lambda: encoded(SIXTEEN_BITS, "PNG"),
    ],
    "WebP, lossy or lossless": [
        lambda: encoded(photo(), "WEBP"),
        lambda: encoded(photo(), "WEBP", lossless=True),
    ],
    "GIF": [lambda: encoded(photo(), "GIF")],
    "BMP": [lambda: encoded(photo(), "BMP")],
    "AVIF": [lambda: encoded(photo(), "AVIF")],
    "HEIC, the primary picture": [lambda: encode_heif(photo())],
    "TIFF and other formats": [
        lambda: encoded(photo(), "TIFF"),
        lambda: encoded(photo(), "ICO"),
        lambda: encoded(photo(), "JPEG2000"),
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    "no picture at all": [lambda: b"this is text", lambda: b"\x00" * 100],
    "an empty file": [lambda: b""],
    "more bytes than the limit": [lambda: b"x" * (4 * 2**20 + 1)],
    "more pixels than the limit": [lambda: encoded(Image.new("1", (2001, 2000)), "PNG")],
    "a short side below 32 pixels": [lambda: encoded(photo(400, 31), "PNG")],
    "a file that ends early": [
        lambda: encoded(photo(), "JPEG")[:-1000],
        lambda: encoded(photo(), "PNG")[:-1000],
        lambda: encoded(photo(), "WEBP")[:-1000],
    ],
    "a file that cannot be decoded": [lambda: encoded(photo(), "PNG")[:60] + bytes(4000)],
    "far more work than its pixels need": [many_scans],
    "EXIF orientation of JPEG and PNG; the container's of AVIF and HEIC": [
        lambda: turned("JPEG"),
        lambda: turned("PNG"),
        lambda: turned("AVIF"),
        lambda: encode_heif(photo(), exif=orientation(6).tobytes()),
    ],
    "EXIF orientation of WebP, and XMP's": [
        lambda: turned("WEBP"),
        lambda: encoded(photo(), "JPEG", xmp=b'<x:xmpmeta tiff:Orientation="6"/>'),
    ],
    "broken or huge metadata": [
        lambda: with_text(500_000),
        lambda: encoded(photo(), "JPEG", exif=b"Exif\x00\x00garbage"),
        lambda: encoded(photo(), "JPEG", comment=b"c" * 60_000),
    ],
    "further pictures of a camera's JPEG (MPO)": [
        lambda: encoded(photo(), "MPO", save_all=True, append_images=[photo(seed=1)])
    ],
    "a color profile that moves a gray by more than 16 or a color by more than 40 of 255 levels": [
        lambda: with_profile(1.0),
        lambda: with_profile(9.0),
        lambda: with_profile(2.2, GREEN, RED, BLUE),
        lambda: with_profile(2.2, RED, BLUE, GREEN),
        lambda: with_profile(1.8),
    ],
    "a usual color profile, such as Display P3": [
        lambda: with_profile(2.2),
        lambda: with_profile(2.2, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    ],
    "a color profile of another kind of picture": [
        lambda: encoded(photo().convert("CMYK"), "JPEG", icc_profile=STEEP)
    ],
    "a color profile that cannot be read, or that programs read differently": [
        lambda: encoded(photo(), "PNG", icc_profile=STEEP[:8] + b"\x05" + STEEP[9:]),
        lambda: encoded(photo(), "JPEG", icc_profile=b"no profile" * 30),
        lambda: png_with(b"iCCP", b"name\x00\x00no deflate"),
    ],
    "a color chunk of PNG that is broken, doubled or late": [
        lambda: insert_chunks(encoded(photo(), "PNG"), USUAL_GAMMA, USUAL_GAMMA),
    ],
    "`gAMA` of PNG, with `cHRM` if it is there, beyond the same bounds": [
        *(
            lambda gamma=gamma: png_with(b"gAMA", gamma.to_bytes(4, "big"))
            for gamma in (1_000, 10_000, 90_000)
        ),
        lambda: insert_chunks(encoded(photo(), "PNG"), USUAL_GAMMA, SWAPPED),
    ],
    "`gAMA` of PNG next to `cICP`, `iCCP` or `sRGB`, and `cHRM` alone": [
        lambda: insert_chunks(encoded(photo(), "PNG"), chunk(b"sRGB", b"\x00"), STEEP_GAMMA),
        lambda: insert_chunks(
            encoded(photo(), "PNG"), chunk(b"cICP", bytes([1, 13, 0, 1])), STEEP_GAMMA
        ),
        lambda: insert_chunks(encoded(photo(), "PNG", icc_profile=USUAL), STEEP_GAMMA),
        lambda: insert_chunks(encoded(photo(), "PNG"), SWAPPED),
    ],
    "code points of HDR or linear light (PNG, AVIF, HEIC), "
    "or none in an AVIF or HEIC without a profile": [
        lambda: encoded(photo(), "AVIF").replace(b"colr", b"free"),
        lambda: png_with(b"cICP", bytes([9, 16, 0, 1])),
        lambda: png_with(b"cICP", bytes([9, 18, 0, 1])),
        lambda: png_with(b"cICP", bytes([1, 8, 0, 1])),
        lambda: with_code_points(encoded(photo(), "AVIF"), 9, 16),
        lambda: with_code_points(encoded(photo(), "AVIF"), 1, 8),
    ],
    "a transparent gray or color of a PNG whose channels have not 8 bits": [
        lambda: SHOWN["PNG, 4 bit, grey and tRNS"],
        lambda: SHOWN["PNG, 16 bit, grey and tRNS"],
    ],
    "an AVIF that crops its picture": [
        lambda: encoded(photo(), "AVIF").replace(b"pixi", b"clap"),
    ],
    "BMP with an alpha channel in 16 bits": [lambda: SHOWN["BMP, 16 bit, alpha"]],
    "BMP in run lengths, which may skip pixels": [
        lambda: run_length_bmp(64, 48, bytes([64, 200, 0, 0]) * 48 + bytes([0, 1])),
    ],
    "BMP whose pixels begin in its palette": [lambda: SHOWN["BMP, pixels in the palette"]],
    "transparency": [transparent, views.mostly_transparent],
    "an animated GIF, WebP, PNG or AVIF": [
        lambda kind=kind: animated([photo(seed=n) for n in range(3)], kind) for kind in ANIMATED
    ],
    "more than 1,000 frames, or more pixels in all frames than the limit of one photo": [
        views.many_frames,
        lambda: animated([photo(1000, 900, seed=n) for n in range(5)], "WEBP"),
    ],
    "an image sequence of HEIC": [lambda: encode_heif(photo()) + box(b"moov", bytes(8))],
    "an animation with a frame that is not judged and unlike all that are": [
        lambda: animated([Image.new("RGB", (64, 48), color) for color in COLORS], "GIF"),
    ],
    "an animation that programs read differently, or with a frame beyond its picture": [
        lambda: png_with(b"acTL", struct.pack(">II", 2, 0)),
        lambda: animated([photo(), photo(seed=1)], "AVIF").replace(b"ftypavis", b"ftypavif"),
    ],
    "a picture longer than 1:3, up to 1:12": [
        lambda: encoded(photo(310, 100), "PNG"),
        lambda: encoded(photo(100, 1200), "JPEG"),
    ],
    "a longer one, or one with so many frames or backgrounds that its views are more than 12": [
        lambda: encoded(photo(1300, 100), "PNG"),
        views.long_strip,
        lambda: encoded(Image.new("RGBA", (700, 100), (9, 9, 9, 99)), "PNG"),
        lambda: animated([photo(500, 100, seed=n) for n in range(3)], "WEBP"),
    ],
}  # fmt: skip


def rows_of_page() -> dict[str, Outcome]:
    """The table of the page by the kind."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {kind: Outcome(verb, reason.strip("`")) for kind, verb, reason in cells}


PAGE_ROWS = rows_of_page()


def test_page_has_exactly_these_kinds() -> None:
    assert list(PAGE_ROWS) == list(KINDS)


def test_page_names_every_reason_of_this_code() -> None:
    named = {outcome.reason for outcome in PAGE_ROWS.values()}
    of_bucket = {"object_absent", "object_changed", "object_archived", "forbidden", "unreachable"}
    reasons = {reason.value for reason in QuarantineReason} - of_bucket - {"no_commerce_row"}
    assert reasons | {f"unjudged_{each}" for each in Unjudged} <= named


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, n) for kind, makers in KINDS.items() for n in range(len(makers))]
)
def test_outcome_is_that_of_the_page(kind: str, number: int) -> None:
    data, row = KINDS[kind][number](), PAGE_ROWS[kind]
    if row.verb == "quarantined":
        with pytest.raises(ImageRejected) as caught:
            decode(data, limits=LIMITS, all_views=True)
        assert caught.value.reason == row.reason
        return
    found = decode(data, limits=LIMITS, all_views=True)
    assert found.unjudged == (row.reason.removeprefix("unjudged_") or None)
    assert "reviewed" in row.verb or not row.reason
    assert (len(found.views) > 1) is any(word in row.verb for word in ("frames", "parts", "over"))
    stored = Image.open(io.BytesIO(data)).size if "HEIC" not in kind else photo().size
    assert ((found.width, found.height) != stored) is ("turned" in row.verb)
    if "converted" in row.verb or row.verb == "ignored":
        moved = distance(found.image, photo())
        assert (moved > 3) is ("converted" in row.verb)
