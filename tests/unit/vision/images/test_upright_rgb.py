import io

import numpy as np
import pytest
from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.upright_rgb import (
    apply_orientation,
    flatten,
    is_transparent,
    read_orientation,
    reduce_to,
    to_8_bits,
    upright_size,
)
from tests.unit.vision.images.pictures import distance, encoded, photo

LIMITS = DecodeLimits()


def to_rgb(image: Image.Image) -> Image.Image:
    return flatten(to_8_bits(image))


def stored_as(orientation: int) -> Image.Image:
    """The pixels that a camera stores so that `orientation` makes them photo() again.

    Array indexing, by the words of the EXIF 2.3 specification: where the 0th row and the 0th
    column of the stored picture are on the upright one.
    """
    upright = np.asarray(photo())
    stored = {
        1: upright,
        2: upright[:, ::-1],  # 0th row top, 0th column right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: upright.transpose(1, 0, 2),  # left, top
        6: upright[:, ::-1].transpose(1, 0, 2),  # right, top
        7: upright[::-1, ::-1].transpose(1, 0, 2),  # right, bottom
        8: upright[::-1].transpose(1, 0, 2),  # left, bottom
    }[orientation]
    return Image.fromarray(np.ascontiguousarray(stored))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "AVIF"])
def test_decode_applies_the_exif_orientation(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored_as(orientation), file_format, exif=exif)
    decoded = decode(data, limits=LIMITS)
    assert (decoded.width, decoded.height) == decoded.image.size == (160, 120)
    assert distance(decoded.image, photo()) < 8


def test_orientation_of_a_webp_does_not_count() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(photo(), "WEBP", exif=exif), limits=LIMITS).width == 160


def test_reduced_decode_applies_the_exif_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encoded(stored_as(6), "JPEG", exif=exif), limits=LIMITS, short_side=40)
    assert (decoded.width, decoded.height) == (160, 120)
    assert decoded.image.size == (80, 60)
    assert distance(decoded.image, photo().resize((80, 60))) < 8


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00",
        b"Exif\x00\x00II*\x00\xff\xff\xff\xff",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09",  # declares nine tags, has none
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x63\x00\x00\x00",
        b"Exif\x00\x00garbage, and no TIFF header",
        # A resolution of one letter, where Pillow takes the second while it opens a JPEG.
        (
            b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x02\x00"
            b"\x1a\x01\x02\x00\x02\x00\x00\x007\x00\x00\x00"
            b"\x28\x01\x03\x00\x01\x00\x00\x00\x02\x00\x00\x00"
            b"\x00\x00\x00\x00"
        ),
    ],
)
@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_broken_exif_does_not_reject_the_photo(exif: bytes, file_format: str) -> None:
    decoded = decode(encoded(photo(), file_format, exif=exif), limits=LIMITS)
    assert decoded.image.size == (160, 120)


def test_broken_exif_does_not_reject_an_avif() -> None:
    """The orientation of an AVIF is in its container, not in the EXIF block."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    data = encoded(stored_as(6), "AVIF", exif=exif)
    assert b"MM\x00*" in data
    decoded = decode(data.replace(b"MM\x00*", b"QQQQ"), limits=LIMITS)
    assert distance(decoded.image, photo()) < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_apply_orientation_gives_the_exact_upright_pixels(orientation: int) -> None:
    stored = stored_as(orientation)
    assert distance(apply_orientation(stored, orientation), photo()) == 0
    assert upright_size(stored.size, orientation) == (160, 120)


@pytest.mark.parametrize("value", [0, 9, 99, 65535, "6", (6, 6)])
def test_invalid_orientation_counts_as_upright(value: object) -> None:
    image = photo()
    image.getexif()[0x0112] = value
    assert read_orientation(image) == 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "CMYK"])
def test_to_rgb_keeps_the_colors_of_opaque_modes(mode: str) -> None:
    source = photo().convert(mode)
    rgb = to_rgb(source)
    assert (rgb.mode, rgb.size) == ("RGB", source.size)
    assert distance(rgb, source.convert("RGB")) == 0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_to_rgb_composites_alpha_over_white(mode: str) -> None:
    source = Image.new("RGBA", (4, 4), (0, 0, 0, 255)).convert(mode)
    source.putalpha(Image.fromarray(np.array([[0, 255, 128, 0]] * 4, dtype=np.uint8)))
    assert np.asarray(to_rgb(source))[0, :, 0].tolist() == [255, 0, 127, 255]


def test_to_rgb_composites_a_transparent_palette_entry_over_white() -> None:
    source = Image.new("P", (2, 1))
    source.putpalette([9, 9, 9, 200, 0, 0])
    source.putdata([0, 1])
    source.info["transparency"] = 0
    assert np.asarray(to_rgb(source))[0].tolist() == [[255, 255, 255], [200, 0, 0]]


def test_to_rgb_composites_a_color_key_over_white() -> None:
    source = Image.new("RGB", (1, 1), (1, 2, 3))
    source.info["transparency"] = (1, 2, 3)
    assert np.asarray(to_rgb(source))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_to_rgb_scales_16_bits(mode: str) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=">u2" if mode == "I;16B" else "<u2")
    source = Image.frombytes(mode, (5, 1), values.tobytes())
    assert np.asarray(to_rgb(source))[0, :, 0].tolist() == [0, 0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["I", "F", "LAB", "HSV"])
def test_to_rgb_rejects_modes_without_a_standard_conversion(mode: str) -> None:
    with pytest.raises(ImageRejected, match=mode) as caught:
        to_rgb(Image.new(mode, (4, 4)))
    assert caught.value.reason is QuarantineReason.UNSUPPORTED_FORMAT


def test_to_rgb_copies_no_pixels_of_a_decoded_picture() -> None:
    source = Image.open(io.BytesIO(encoded(photo(), "JPEG")))
    source.load()
    rgb = to_rgb(source)
    assert type(rgb) is Image.Image, "nothing of the file's parser is kept"
    assert rgb.im is source.im


def test_to_rgb_removes_metadata() -> None:
    source = photo()
    source.info = {"exif": b"where the buyer lives"}
    assert to_rgb(source).info == {}
    assert source.info, "the caller's picture is left alone"


@pytest.mark.parametrize(("alpha", "seen_through"), [(255, False), (250, False), (249, True)])
def test_nearly_opaque_picture_counts_as_opaque(alpha: int, seen_through: bool) -> None:
    assert is_transparent(Image.new("RGBA", (4, 4), (1, 2, 3, alpha))) is seen_through


def test_flatten_shows_the_ground() -> None:
    clear = Image.new("RGBA", (1, 1), (255, 255, 255, 0))
    backgrounds = [flatten(clear, background).getpixel((0, 0)) for background in ("white", "black")]
    assert backgrounds == [(255, 255, 255), (0, 0, 0)]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
def test_reduce_to_bounds_the_pixels(mode: str) -> None:
    assert reduce_to(Image.new(mode, (100, 50)), 1250).size == (50, 25)
    assert reduce_to(Image.new(mode, (100, 50)), 5000).size == (100, 50)
