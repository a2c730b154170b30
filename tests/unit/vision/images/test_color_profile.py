"""A picture is judged in the colors that a browser shows, where its profile moves them far."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from ml.vision.images.decode import Decoded, decode
from ml.vision.images.matrix_profile import SRGB_CHROMATICITIES, make_matrix_profile
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.views import Unjudged
from tests.unit.vision.images.animations import chunk, insert_chunks
from tests.unit.vision.images.pictures import distance, encoded, photo

LIMITS = DecodeLimits()
WHITE, RED, GREEN, BLUE = SRGB_CHROMATICITIES
SWAPPED = make_matrix_profile(2.2, (WHITE, GREEN, RED, BLUE))
STEEP = make_matrix_profile(60.0, SRGB_CHROMATICITIES)
LINEAR = make_matrix_profile(1.0, SRGB_CHROMATICITIES)
DISPLAY_P3 = make_matrix_profile(2.2, (WHITE, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)))
ADOBE = make_matrix_profile(2.2, (WHITE, RED, (0.21, 0.71), BLUE))


def shown(data: bytes) -> Decoded:
    return decode(data, limits=LIMITS)


def color(data: bytes) -> list[int]:
    return np.asarray(shown(data).image)[16, 16].tolist()


def plain(value: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (32, 32), value if len(value) > 1 else value[0])


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_profile_that_swaps_channels_is_applied(file_format: str) -> None:
    red, green, blue = color(encoded(plain((230, 20, 20)), file_format, icc_profile=SWAPPED))
    assert green > 200
    assert max(red, blue) < 60


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_steep_profile_is_applied(file_format: str) -> None:
    assert max(color(encoded(plain((240,) * 3), file_format, icc_profile=STEEP))) < 60
    assert min(color(encoded(plain((255,) * 3), file_format, icc_profile=STEEP))) > 250


def test_linear_profile_brightens_as_the_curve_of_srgb_says() -> None:
    """0.2159 of the light is level 128 (IEC 61966-2-1)."""
    assert color(encoded(plain((55,) * 3), "PNG", icc_profile=LINEAR)) == pytest.approx(
        [128] * 3, abs=2
    )


@pytest.mark.parametrize("profile", [DISPLAY_P3, ADOBE], ids=["Display P3", "Adobe RGB"])
def test_usual_profile_changes_no_pixel(profile: bytes) -> None:
    data = encoded(photo(), "PNG", icc_profile=profile)
    assert distance(shown(data).image, photo()) == 0


def test_alpha_stays_under_a_profile() -> None:
    picture = plain((230, 20, 20, 90), "RGBA")
    found = decode(encoded(picture, "PNG", icc_profile=SWAPPED), limits=LIMITS, all_views=True)
    white, black = (np.asarray(view.image)[0, 0].astype(int) for view in found.views)
    assert (white - black).tolist() == pytest.approx([165] * 3, abs=2)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_profile_of_another_kind_of_picture_is_ignored(mode: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = encoded(photo().convert(mode), "JPEG", icc_profile=profile)
    assert shown(data).unjudged is None
    assert distance(shown(data).image, shown(encoded(photo().convert(mode), "JPEG")).image) == 0


def test_gray_picture_with_a_profile_of_colors_is_converted() -> None:
    assert max(color(encoded(plain((240,), "L"), "PNG", icc_profile=STEEP))) < 60


def test_profile_that_nobody_can_read_goes_to_review() -> None:
    data = encoded(photo(), "JPEG", icc_profile=b"no profile" * 30)
    assert shown(data).unjudged is Unjudged.COLOR


# --- PNG: gamma, chromaticities, code points


def png(*chunks: bytes, level: int = 240) -> bytes:
    return insert_chunks(encoded(plain((level,) * 3), "PNG"), *chunks)


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def icc(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"name\x00\x00" + zlib.compress(profile))


def chromaticities(*pairs: tuple[float, float]) -> bytes:
    numbers = [round(value * 100_000) for pair in pairs for value in pair]
    return chunk(b"cHRM", struct.pack(">8I", *numbers))


@pytest.mark.parametrize(
    ("value", "level"),
    [(0.01, 14), (0.1, 186), (0.3, 228), (0.45455, 240), (1.0, 248), (2.0, 251)],
)
def test_gamma_is_applied(value: float, level: int) -> None:
    """Levels by the formula of the PNG specification, 13.13: 240 to the power of 1 / (2.2 gAMA)."""
    expected = 255 * (240 / 255) ** (1 / (2.2 * value))
    [found, *_] = color(png(gamma(value)))
    assert found == pytest.approx(expected, abs=14)  # sRGB's curve is no exact power of 2.2
    assert (found < 100) is (level < 100)


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"sRGB", b"\x00"), gamma(0.01)],
        [gamma(0.01), chunk(b"sRGB", b"\x00")],
        [icc(DISPLAY_P3), gamma(0.01)],
        [chunk(b"cICP", bytes([1, 13, 0, 1])), gamma(0.01)],
        [gamma(0.45455), gamma(0.01)],
        [gamma(0)],
    ],
    ids=["sRGB", "sRGB later", "profile", "code points", "second gamma", "zero"],
)
def test_gamma_that_browsers_ignore_changes_nothing(chunks: list[bytes]) -> None:
    assert color(png(*chunks)) == [240] * 3


def test_chromaticities_count_with_a_gamma() -> None:
    red = encoded(plain((230, 20, 20)), "PNG")
    swapped = chromaticities(WHITE, GREEN, RED, BLUE)
    assert color(insert_chunks(red, gamma(0.45455), swapped))[1] > 200
    assert color(insert_chunks(red, swapped)) == [230, 20, 20]


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"cICP", bytes([9, 16, 0, 1]))],  # BT.2020, PQ
        [chunk(b"cICP", bytes([9, 18, 0, 1]))],  # HLG
        [chunk(b"cICP", b"\x01")],
        [chunk(b"iCCP", b"name\x00\x00" + b"no deflate")],
        [icc(bytes(5 * 2**20))],
        [gamma(0.4), chromaticities((0, 0), RED, GREEN, BLUE)],
        [gamma(0.4), chromaticities(WHITE, RED, RED, RED)],
    ],
    ids=["PQ", "HLG", "cut", "broken", "too long", "no white", "no colors"],
)
def test_colors_that_are_unknown_go_to_review(chunks: list[bytes]) -> None:
    assert shown(png(*chunks)).unjudged is Unjudged.COLOR


@pytest.mark.parametrize("junk", [b"", b"\x00", b"x" * 200, SWAPPED[:200], bytes(400)])
def test_broken_profile_is_ignored_or_goes_to_review(junk: bytes) -> None:
    found = shown(png(icc(junk)))
    assert np.asarray(found.image)[0, 0].tolist() == [240] * 3
    assert found.unjudged is Unjudged.COLOR
