"""HEIC pictures as libheif's encoder writes them: upright, of 8 bits, the primary one alone."""

import io
import threading
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from benchmarks.icc_profiles import SRGB, matrix_profile
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.avif_boxes import encode_heif
from tests.unit.vision.images.pictures import distance, photo

LIMITS = DecodeLimits()
ORIENTATION = 0x0112


@pytest.mark.parametrize("size", [(64, 64), (65, 33), (333, 1001)])
@pytest.mark.parametrize("chroma", [420, 444])
def test_picture_is_decoded_at_its_size(size: tuple[int, int], chroma: int) -> None:
    image = photo(*size)
    decoded = decode(encode_heif(image, quality=90, chroma=chroma), limits=LIMITS)
    assert (decoded.width, decoded.height, decoded.format) == (*size, "HEIF")
    assert distance(decoded.image, image) < (3 if chroma == 444 else 8)


def test_gray_picture_is_decoded() -> None:
    image = photo().convert("L")
    decoded = decode(encode_heif(image, quality=90), limits=LIMITS)
    assert distance(decoded.image, image.convert("RGB")) < 4


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_picture_becomes_8_bits(bits: int) -> None:
    image = photo()
    deep = bytes(byte for value in image.tobytes() for byte in (0, value))
    file = pillow_heif.from_bytes("RGB;16", image.size, deep)
    out = io.BytesIO()
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    file.save(out, quality=90)
    assert distance(decode(out.getvalue(), limits=LIMITS).image, image) < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_judged_over_white_and_black(mode: str) -> None:
    image = photo().convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    views = decode(encode_heif(image, quality=95), limits=LIMITS, all_views=True).views
    assert [view.background for view in views] == ["white", "black"]
    for view in views:
        canvas = Image.new("RGBA", image.size, view.background)
        canvas.alpha_composite(image.convert("RGBA"))
        assert distance(view.image, canvas.convert("RGB")) < 6


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (7, Image.Transpose.TRANSVERSE),
    ],
)
def test_orientation_of_the_container_counts_and_that_of_exif_does_not(
    orientation: int, turned: Image.Transpose
) -> None:
    exif, image = Image.Exif(), photo()
    exif[ORIENTATION] = orientation
    both = encode_heif(image, quality=90, exif=exif.tobytes())  # the encoder reads the bytes
    alone = encode_heif(image, quality=90, exif=exif)
    assert b"Exif" in alone
    assert distance(decode(both, limits=LIMITS).image, image.transpose(turned)) < 4
    assert distance(decode(alone, limits=LIMITS).image, image) < 4


def test_primary_picture_alone_is_judged() -> None:
    pictures = [photo(96, 96, seed=seed) for seed in range(3)]
    file = pillow_heif.HeifFile()
    for picture in pictures:
        file.add_from_pillow(picture)
    out = io.BytesIO()
    file.save(out, quality=90, primary_index=1)
    decoded = decode(out.getvalue(), limits=LIMITS, all_views=True)
    assert decoded.frames == len(decoded.views) == 1
    assert distance(decoded.image, pictures[1]) < 5


def test_profile_counts() -> None:
    image = photo()
    swapped = matrix_profile((SRGB[1], SRGB[2], SRGB[0]), 2.2)
    data = encode_heif(image, quality=90, icc_profile=swapped, icc_profile_type="prof")
    assert distance(decode(data, limits=LIMITS).image, image) > 30


def test_unknown_transfer_function_goes_to_a_reviewer() -> None:
    data = encode_heif(photo())
    at = data.index(b"nclx") + 4
    linear = data[:at] + (1).to_bytes(2, "big") + (8).to_bytes(2, "big") + data[at + 4 :]
    assert decode(data, limits=LIMITS, all_views=True).unjudged is None
    assert decode(linear, limits=LIMITS, all_views=True).unjudged == "color"


def test_decoding_starts_one_thread_at_most() -> None:
    data, most, done = encode_heif(photo(2000, 1500), quality=90), [0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            most[0] = max(most[0], len(list(Path("/proc/self/task").iterdir())))

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = len(list(Path("/proc/self/task").iterdir()))
    decode(data, limits=LIMITS)
    done.set()
    watcher.join()
    assert most[0] <= before + 1
