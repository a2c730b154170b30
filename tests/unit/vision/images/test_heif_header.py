"""HEIC files whose header contradicts or multiplies their picture: refused before a decoder."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.settings import ROOT
from ml.vision.images.decode import decode
from ml.vision.images.heif_header import check_heif_sizes, is_heif
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.avif_boxes import HEVC, AvifFile, box, encode, encode_heif, number
from tests.unit.vision.images.pictures import photo
from tests.unit.vision.images.test_avif_boxes import _MEASURE

LARGE = (9_900, 9_900)  # just within the limit of pixels
GRID = AvifFile(coding=HEVC)
PICTURE = encode_heif(photo(128, 96))

CONTRADICTIONS = {
    "ispe of the grid": AvifFile(ispe=LARGE, coding=HEVC),
    "grid": AvifFile(grid=LARGE, coding=HEVC),
    "ispe of the tiles": AvifFile(tile=(128, 64), coding=HEVC),
    "ispe of small tiles": AvifFile(tile=(64, 0), coding=HEVC),
    "coded picture": AvifFile(coded=(2000, 2000), coding=HEVC),
    "a byte range again and again": AvifFile(
        extents=(2, 2_000, 1_000_000), padding=bytes(1_000_000), coding=HEVC
    ),
    "empty extents": AvifFile(extents=(2_000, 65_535, 0), coding=HEVC),
    "references": AvifFile(references=range(3, 30_000), coding=HEVC),
}


def reason(data: bytes) -> str:
    with pytest.raises(ImageRejected) as caught:
        decode(data, limits=DecodeLimits())
    return caught.value.reason.value


def replace_once(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    return data.replace(old, new, 1)


@pytest.mark.parametrize("size", [(128, 64), (100, 64)])
def test_honest_grid_is_decoded(size: tuple[int, int]) -> None:
    decoded = decode(AvifFile(grid=size, ispe=size, coding=HEVC).build(), limits=DecodeLimits())
    assert decoded.image.size == size
    assert decoded.image.getpixel((90, 30)) == pytest.approx((200, 30, 30), abs=4)


def test_header_that_contradicts_the_picture_is_refused_at_no_cost(tmp_path: Path) -> None:
    paths = [tmp_path / name.replace(" ", "_") for name in CONTRADICTIONS]
    for path, file in zip(paths, CONTRADICTIONS.values(), strict=True):
        path.write_bytes(file.build())
    command = [sys.executable, "-c", _MEASURE, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in lines] == [path.name for path in paths]
    for name, outcome, mebibytes, seconds in lines:
        assert outcome == "corrupt", name
        assert int(mebibytes) < 40, name
        assert float(seconds) < 2, name


def test_every_size_is_checked_before_they_are_compared() -> None:
    data = AvifFile(coded=(640, 640), coding=HEVC).build()
    with pytest.raises(ImageRejected) as caught:
        decode(data, limits=DecodeLimits(max_pixels=300_000))
    assert caught.value.reason is QuarantineReason.TOO_MANY_PIXELS


def test_tiles_far_larger_than_the_picture_are_too_costly() -> None:
    size = (1024, 1024)
    file = AvifFile(coded=size, tile=size, grid=size, ispe=size, tiles=(16, 16), coding=HEVC)
    assert reason(file.build()) == "too_costly"


def test_grid_without_all_of_its_tiles_is_corrupt() -> None:
    full, short = (
        box(b"dimg", number(1), number(len(tiles)), *map(number, tiles), bytes(padding))
        for tiles, padding in (((2, 3), 0), ((2,), 2))
    )
    assert reason(replace_once(GRID.build(), full, short)) == "corrupt"


def test_pictures_that_are_made_of_each_other_are_corrupt() -> None:
    tiles, itself = (
        box(b"dimg", number(1), number(2), number(a), number(b)) for a, b in ((2, 3), (1, 1))
    )
    assert reason(replace_once(GRID.build(), tiles, itself)) == "corrupt"


@pytest.mark.parametrize("kind", [b"jpeg", b"av01", b"unci", b"iovl", b"avc1"])
def test_picture_that_is_not_hevc_is_unsupported(kind: bytes) -> None:
    assert reason(replace_once(PICTURE, b"hvc1", kind)) == "unsupported_format"


@pytest.mark.parametrize("brand", [b"msf1", b"hevc", b"hevx"])
def test_sequence_is_animated(brand: bytes) -> None:
    assert reason(PICTURE[:8] + brand + PICTURE[12:]) == "animated"


def test_sequence_next_to_a_still_picture_is_animated() -> None:
    assert reason(PICTURE + box(b"moov", bytes(8))) == "animated"


def test_second_description_of_the_picture_is_corrupt() -> None:
    assert reason(PICTURE + box(b"mini", bytes(8))) == "corrupt"


@pytest.mark.parametrize("end", [0.3, 0.6, 0.9, 0.99])
def test_cut_file_is_truncated(end: float) -> None:
    data = PICTURE[: round(end * len(PICTURE))]
    assert reason(data) == ("truncated" if len(data) > PICTURE.index(b"mdat") else "corrupt")


def test_file_that_says_it_is_avif_is_not_heif() -> None:
    assert is_heif(PICTURE)
    assert not is_heif(encode((64, 64)))
    assert not is_heif(replace_once(PICTURE, b"mif1", b"avif"))
    assert reason(replace_once(PICTURE, b"mif1", b"avif")) == "corrupt"


def test_alpha_channel_counts_as_work() -> None:
    sizes: list[tuple[int, int]] = []
    image = photo(128, 96).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 90))
    check_heif_sizes(encode_heif(image), lambda width, height: sizes.append((width, height)))
    assert len(sizes) == 4  # declared and coded, of the picture and of its alpha channel
    assert set(sizes) == {(128, 96)}
