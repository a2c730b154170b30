"""AVIF headers that no encoder writes: refused before a decoder sees them, at little cost."""

import subprocess
import sys
from pathlib import Path

import pytest

from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.settings import ROOT
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.avif_boxes import AvifFile, encode

LARGE = (9_900, 9_900)  # just within the limit of pixels

CONTRADICTIONS = {
    "ispe of the grid": AvifFile(ispe=LARGE),
    "grid": AvifFile(grid=LARGE),
    "ispe of the tiles": AvifFile(tile=(128, 64)),
    "coded picture": AvifFile(coded=(2000, 2000)),
    "tiles that do not fill the grid": AvifFile(grid=LARGE, ispe=LARGE),
}
# What each of these makes libavif, or a check without a limit, read or keep.
BOMBS = {
    "a MiB for eight bytes": AvifFile(extents=(2_000, 65_535, 0)),
    "tiles of one byte range": AvifFile(
        grid=(2048, 1024), ispe=(2048, 1024), tiles=(32, 16), extents=(512, 1, 2_000_000),
        padding=bytes(2_000_000),
    ),
    "a byte range again and again": AvifFile(
        extents=(2, 2_000, 1_000_000), padding=bytes(1_000_000)
    ),
    "references": AvifFile(references=range(3, 30_000)),
}  # fmt: skip

_MEASURE = """
import sys, time
from pathlib import Path
from ml.core.errors import ImageRejected
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024
for path in sys.argv[1:]:
    data, before, began = Path(path).read_bytes(), peak(), time.process_time()
    try:
        decode(data, limits=DecodeLimits())
    except ImageRejected as error:
        print(Path(path).name, error.reason.value, peak() - before, time.process_time() - began)
"""


@pytest.mark.parametrize("size", [(128, 64), (100, 64)])
def test_honest_grid_is_decoded(size: tuple[int, int]) -> None:
    data = AvifFile(grid=size, ispe=size).build()
    assert decode(data, limits=DecodeLimits()).image.size == size


def test_header_that_contradicts_the_picture_is_refused_at_no_cost(tmp_path: Path) -> None:
    files = CONTRADICTIONS | BOMBS
    paths = [tmp_path / name.replace(" ", "_") for name in files]
    for path, file in zip(paths, files.values(), strict=True):
        path.write_bytes(file.build())
    command = [sys.executable, "-c", _MEASURE, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in lines] == [path.name for path in paths]
    for name, reason, mebibytes, seconds in lines:
        assert reason == "corrupt", name
        assert int(mebibytes) < 40, name  # a decode of 9,900 x 9,900 pixels takes 800
        assert float(seconds) < 2, name


@pytest.mark.parametrize("brand", [b"avif", b"mif1", b"msf1"])
def test_sequence_of_another_major_brand_is_rejected(brand: bytes) -> None:
    """Programs disagree whether to show its still picture or its frames."""
    from PIL import Image  # noqa: PLC0415 - only here

    data = encode((64, 64), save_all=True, append_images=[Image.new("RGB", (64, 64), "blue")])
    assert b"moov" in data
    with pytest.raises(ImageRejected) as caught:
        decode(data[:8] + brand + data[12:], limits=DecodeLimits())
    assert caught.value.reason is QuarantineReason.ANIMATED
