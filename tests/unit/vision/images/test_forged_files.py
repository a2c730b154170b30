"""Files made so that a browser shows another picture: it is judged, or the photo is reviewed."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ml.core.errors import ImageRejected
from ml.vision.images.decode import Decoded, decode
from ml.vision.images.icc_header import is_sound
from ml.vision.images.matrix_profile import SRGB_CHROMATICITIES, make_matrix_profile
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.views import Unjudged
from tests.unit.vision.images.animations import animated, chunk, insert_chunks
from tests.unit.vision.images.pictures import distance, encoded, photo

STEEP = make_matrix_profile(30.0, SRGB_CHROMATICITIES)
PLAIN = make_matrix_profile(2.2, SRGB_CHROMATICITIES)
CLEAR = bytes(256)  # as transparency of a palette


def decoded(data: bytes) -> Decoded:
    return decode(data, limits=DecodeLimits(), all_views=True)


def contrast(found: Decoded) -> int:
    """The largest contrast of any view."""
    return max(int(np.ptp(np.asarray(view.image.convert("L"), int))) for view in found.views)


# --- transparency of PNG


def palette_png(*, before: bytes = b"", after: bytes = b"", twice: bool = False) -> bytes:
    """A palette PNG with transparency before its palette, after its pixels, or twice."""
    clear = chunk(b"tRNS", CLEAR)
    data = encoded(photo().quantize(), "PNG")
    first, pixels = data.index(b"PLTE") - 4, data.index(b"IDAT") - 4
    end = data.index(b"IEND") - 4
    middle = chunk(b"tRNS", b"\xff") + clear if twice else b""
    parts = [data[:first], before and clear, data[first:pixels], middle, data[pixels:end]]
    return b"".join([*parts, after and clear, data[end:]])


@pytest.mark.parametrize(
    "data",
    [palette_png(before=b"1"), palette_png(after=b"1"), palette_png(twice=True)],
    ids=["before the palette", "after the pixels", "a second time"],
)
def test_transparency_that_browsers_ignore_is_ignored(data: bytes) -> None:
    assert distance(decoded(data).image, photo().quantize().convert("RGB")) < 1


def test_transparency_of_the_palette_counts() -> None:
    data = encoded(photo().quantize(), "PNG", transparency=CLEAR)
    assert contrast(decoded(data)) == 0


# --- color profiles


def with_tag(name: bytes, profile: bytes = PLAIN) -> bytes:
    """The profile with its last tag renamed."""
    count = int.from_bytes(profile[128:132], "big")
    at = 132 + 12 * (count - 1)
    return profile[:at] + name + profile[at + 4 :]


FORGED: dict[str, Callable[[], bytes]] = {
    "cicp": lambda: with_tag(b"cicp"),
    "D2B0": lambda: with_tag(b"D2B0"),
    "tag beyond the end": lambda: STEEP[:140] + struct.pack(">I", 2**20) + STEEP[144:],
    "tag twice": lambda: with_tag(b"wtpt"),
    "version 5": lambda: STEEP[:8] + b"\x05" + STEEP[9:],
    "cut": lambda: STEEP[:-8],
    "no signature": lambda: STEEP[:36] + b"xxxx" + STEEP[40:],
    "no tags": lambda: STEEP[:128] + bytes(4),
    "thousands of tags": lambda: STEEP[:128] + b"\x00\x00\xff\xff" + STEEP[132:],
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_profile_that_programs_read_differently_goes_to_review(name: str, file_format: str) -> None:
    found = decoded(encoded(photo(), file_format, icc_profile=FORGED[name]()))
    assert found.unjudged is Unjudged.COLOR


@pytest.mark.parametrize("profile", [STEEP, PLAIN, STEEP + bytes(3)])
def test_ordinary_profile_is_sound(profile: bytes) -> None:
    assert is_sound(profile)


def jpeg_with_parts(*parts: tuple[int, int, bytes]) -> bytes:
    """A JPEG whose profile has these numbers, totals and contents."""
    data, segments = encoded(photo(), "JPEG"), b""
    for number, total, content in parts:
        body = b"ICC_PROFILE\x00" + bytes([number, total]) + content
        segments += b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
    return data[:2] + segments + data[2:]


HALF = len(STEEP) // 2


@pytest.mark.parametrize(
    "parts",
    [
        [(1, 1, STEEP), (1, 1, STEEP)],
        [(1, 1, STEEP), (2, 2, b"x")],
        [(1, 2, STEEP[:HALF])],
        [(0, 1, STEEP)],
        [(1, 0, STEEP)],
        [(1, 2, STEEP), (2, 2, b"")],
    ],
    ids=["twice", "another total", "missing", "from zero", "of none", "empty"],
)
def test_parts_of_a_profile_that_do_not_fit_go_to_review(
    parts: list[tuple[int, int, bytes]],
) -> None:
    assert decoded(jpeg_with_parts(*parts)).unjudged is Unjudged.COLOR


def test_parts_in_another_order_are_joined() -> None:
    found = decoded(jpeg_with_parts((2, 2, STEEP[HALF:]), (1, 2, STEEP[:HALF])))
    assert found.unjudged is None
    assert distance(found.image, photo()) > 50


@pytest.mark.parametrize("with_alpha", [False, True])
def test_gray_profile_counts_for_gray_pixels(with_alpha: bool) -> None:
    picture = Image.new("L", (64, 48), 240)
    if with_alpha:
        picture = picture.convert("LA")
    gray = gray_profile(30.0)
    found = decoded(encoded(picture, "PNG", icc_profile=gray))
    assert np.asarray(found.views[0].image).max() < 130
    colored = decoded(encoded(picture.convert("RGBA"), "PNG", icc_profile=gray))
    assert np.asarray(colored.views[0].image).min() > 200


def gray_profile(exponent: float) -> bytes:
    """The matrix profile with its red curve as that of gray."""
    profile = make_matrix_profile(exponent, SRGB_CHROMATICITIES)
    return profile[:16] + b"GRAY" + profile[20:].replace(b"rTRC", b"kTRC", 1)


# --- color chunks of PNG


def gamma(value: int = 1_000) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


def broken(data: bytes) -> bytes:
    """A chunk with another checksum."""
    return data[:-1] + bytes([data[-1] ^ 1])


SRGB = chunk(b"sRGB", b"\x00")


@pytest.mark.parametrize(
    "chunks",
    [
        [broken(SRGB), gamma()],
        [broken(gamma(45_455)), gamma()],
        [chunk(b"sRGB", b""), gamma()],
        [chunk(b"sRGB", b"\x09"), gamma()],
        [gamma(0), gamma()],
        [chunk(b"gAMA", bytes(5)), gamma()],
        [SRGB, SRGB, gamma()],
        [chunk(b"cICP", bytes([1, 13, 0, 0])), gamma()],
        [chunk(b"cICP", bytes([2, 2, 0, 1])), gamma()],
        [chunk(b"cICP", bytes([1, 13, 1, 1])), gamma()],
        [chunk(b"cICP", bytes([1, 13, 0, 1, 0])), gamma()],
        [chunk(b"iCCP", b"\x00\x00" + zlib.compress(PLAIN)), gamma()],
        [chunk(b"iCCP", b"name\x00\x01" + zlib.compress(PLAIN)), gamma()],
        [chunk(b"iCCP", b"name\x00\x00" + zlib.compress(PLAIN + bytes(4))), gamma()],
    ],
)
def test_color_chunk_that_a_browser_may_discard_goes_to_review(chunks: list[bytes]) -> None:
    found = decoded(insert_chunks(encoded(photo(), "PNG"), *chunks))
    assert found.unjudged is Unjudged.COLOR


def test_color_chunk_after_the_palette_goes_to_review() -> None:
    data = encoded(photo().quantize(), "PNG")
    at = data.index(b"IDAT") - 4
    assert decoded(data[:at] + gamma() + data[at:]).unjudged is Unjudged.COLOR


def test_avif_without_code_points_goes_to_review() -> None:
    data = encoded(photo(), "AVIF")
    assert decoded(data).unjudged is None
    assert decoded(data.replace(b"colr", b"free")).unjudged is Unjudged.COLOR
    assert decoded(data.replace(b"colr", b"free") + b"colrnclx\x00\x01\x00\x0d").unjudged


# --- composition of frames


def banner(color: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A bar on a transparent ground."""
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle((20, 40, 140, 60), fill=(color, color, color, 255))
    return picture


@pytest.mark.parametrize("file_format", ["GIF", "PNG"])
def test_what_a_frame_clears_is_transparent(file_format: str) -> None:
    """Dark text on a cleared part is dark on white, and not dark on dark."""
    frames = [Image.new("RGBA", (160, 120), (0, 0, 0, 255)), banner(0)]
    found = decoded(animated(frames, file_format, disposal=2 if file_format == "GIF" else 1))
    last = [view for view in found.views if view.frame == 1]
    assert {view.background for view in last} == {"white", "black"}
    white = next(view for view in last if view.background == "white")
    pixels = np.asarray(white.image)
    assert (int(pixels.min()), int(pixels.max())) == (0, 255)


def test_part_of_a_screen_that_a_gif_leaves_uncovered_is_transparent() -> None:
    data = encoded(Image.new("P", (100, 80)), "GIF")
    larger = data[:6] + struct.pack("<2H", 160, 120) + data[10:]
    found = decoded(larger)
    assert found.image.size == (160, 120)
    assert [view.background for view in found.views] == ["white", "black"]


def test_frame_beyond_the_screen_of_a_gif_is_rejected_before_it_is_decoded() -> None:
    data = bytearray(animated([photo(), photo(seed=1)], "GIF"))
    at = data.rindex(b"\x2c\x00\x00\x00\x00") + 5
    data[at : at + 2] = struct.pack("<H", 60_000)
    with pytest.raises(ImageRejected, match="animated"):
        decoded(bytes(data))


def test_half_transparent_frames_add_up() -> None:
    """Sixty times a bar of alpha 20 over the same: dark in a browser, and hardly visible each."""
    faint = banner(0)
    faint.putalpha(faint.getchannel("A").point(lambda value: 20 if value else 0))
    frames = [faint.copy() for _ in range(60)]
    for number, frame in enumerate(frames):  # no encoder joins them
        frame.putpixel((number, 0), (255, 0, 0, 255))
    found = decoded(animated(frames, "PNG", blend=1))
    assert found.frames == 60
    assert contrast(found) > 150


def test_scene_among_many_others_is_not_passed_over() -> None:
    """Any six of twenty flat colors leave the photo out, or another color."""
    colors = [Image.new("RGB", (160, 120), (n * 12, 255 - n * 12, n * 97 % 256)) for n in range(20)]
    colors[7] = photo()
    assert decoded(animated(colors, "GIF")).unjudged is Unjudged.FRAMES
