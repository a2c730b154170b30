"""AVIF files whose declared size is not that of their coded picture."""

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from PIL import Image

from ml.core.errors import ImageRejected, QuarantineReason
from ml.core.settings import ROOT
from ml.vision.images.avif_header import check_avif_sizes
from ml.vision.images.decode import decode, decoded_pixels
from ml.vision.images.open_photo import DecodeLimits

# Of SVT-AV1, 334 x 252: a sequence header that is not the reduced one of still pictures.
FULL_HEADER = bytes.fromhex("0a0b000000043d37ec6af98040")
LARGE = (10_000).to_bytes(4, "big")


def _avif(size: tuple[int, int] = (64, 64), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, (200, 30, 30, 90)[: len(mode)]).save(out, "AVIF", speed=10, **options)  # type: ignore[arg-type]  # options of the encoder
    return out.getvalue()


def _with_ispe(data: bytes, width: bytes, height: bytes) -> bytes:
    place = data.index(b"ispe") + 8
    return data[:place] + width + height + data[place + 8 :]


def _with_picture_of(data: bytes, other: bytes) -> bytes:
    """`data` with the coded picture of `other`, its length adapted."""
    old, new = (part[part.index(b"mdat") + 4 :] for part in (data, other))
    at = data.index(b"mdat")
    head = data[: at - 4].replace(len(old).to_bytes(4, "big"), len(new).to_bytes(4, "big"))
    return head + (len(new) + 8).to_bytes(4, "big") + b"mdat" + new


def _reason(data: bytes) -> tuple[QuarantineReason, str]:
    with pytest.raises(ImageRejected) as caught:
        decode(data, limits=DecodeLimits())
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("size", [(64, 64), (65, 33), (333, 1001)])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_honest_picture_is_decoded(mode: str, size: tuple[int, int], subsampling: str) -> None:
    data = _avif(size, mode, subsampling=subsampling)
    assert decode(data, limits=DecodeLimits()).image.size == size


@pytest.mark.parametrize(
    "forge",
    [
        lambda: _with_ispe(_avif(), LARGE, LARGE),
        lambda: _with_ispe(_avif(), (65).to_bytes(4, "big"), (64).to_bytes(4, "big")),
        lambda: _with_ispe(_avif((64, 48)), (48).to_bytes(4, "big"), (64).to_bytes(4, "big")),
        lambda: _with_ispe(_avif(mode="RGBA"), LARGE, LARGE),
        lambda: _with_picture_of(_avif(), _avif((2000, 2000))),
        lambda: _with_picture_of(_avif((2000, 2000)), _avif()),
    ],
    ids=["larger", "by one", "turned", "with alpha", "hidden picture", "hidden small picture"],
)
def test_declared_size_that_contradicts_the_picture_is_rejected(
    forge: Callable[[], bytes],
) -> None:
    reason, detail = _reason(forge())
    assert reason is QuarantineReason.CORRUPT
    assert "its picture has" in detail


def test_hidden_picture_over_the_limit_is_rejected_for_its_pixels() -> None:
    data = _with_picture_of(_avif(), _avif((600, 600)))
    with pytest.raises(ImageRejected) as caught:
        decode(data, limits=DecodeLimits(max_pixels=300_000))
    assert caught.value.reason is QuarantineReason.TOO_MANY_PIXELS


def test_sequence_is_animated_even_with_a_single_frame() -> None:
    data = _avif()
    with pytest.raises(ImageRejected) as caught:
        check_avif_sizes(data[:8] + b"avis" + data[12:], lambda _width, _height: None)
    assert caught.value.reason is QuarantineReason.ANIMATED


def test_full_sequence_header_is_read() -> None:
    data = _avif((334, 252))
    at = data.index(b"mdat") + 4
    data = data.replace((len(data) - at).to_bytes(4, "big"), len(FULL_HEADER).to_bytes(4, "big"), 1)
    sizes: list[tuple[int, int]] = []
    check_avif_sizes(data[:at] + FULL_HEADER, lambda width, height: sizes.append((width, height)))
    assert set(sizes) == {(334, 252)}
    wide = _with_ispe(data[:at] + FULL_HEADER, LARGE, LARGE)
    with pytest.raises(ImageRejected, match="its picture has"):
        check_avif_sizes(wide, lambda _width, _height: None)


@pytest.mark.parametrize("seed", range(300))
def test_damaged_boxes_raise_nothing_else(seed: int) -> None:
    import random  # noqa: PLC0415 - only here

    draw, data = random.Random(seed), bytearray(_SMALL)  # noqa: S311 - the same in every run
    for _ in range(draw.randrange(1, 12)):
        data[draw.randrange(8, len(data))] = draw.randrange(256)
    with suppress(ImageRejected):
        check_avif_sizes(bytes(data), lambda _width, _height: None)


_SMALL = _avif(mode="RGBA")

_PEAK = """
import sys
from ml.core.errors import ImageRejected
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024
data = sys.stdin.buffer.read()
before = peak()
try:
    decode(data, limits=DecodeLimits())
except ImageRejected:
    print(peak() - before)
"""


@pytest.mark.parametrize("hidden", [False, True])
def test_rejected_picture_costs_no_memory(hidden: bool) -> None:
    large = _avif((9000, 9000)) if hidden else b""
    data = _with_picture_of(_avif(), large) if hidden else _with_ispe(_avif(), LARGE, LARGE)
    assert len(data) < 20_000
    done = subprocess.run(
        [sys.executable, "-c", _PEAK], cwd=ROOT, input=data, capture_output=True, check=True
    )
    assert int(done.stdout) < 40  # MiB; 910 before


@pytest.mark.parametrize(
    ("form", "options", "expected"),
    [
        ("AVIF", {"speed": 10}, 4_000_000),
        ("PNG", {}, 4_000_000),
        ("WEBP", {"method": 0}, 4_000_000),
        ("JPEG", {}, 250_000),
        ("JPEG", {"progressive": True}, 1_000_000),
    ],
)
def test_decoded_pixels_count_what_occupies_memory(
    form: str, options: dict[str, object], expected: int
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (2000, 2000)).save(out, form, **options)  # type: ignore[arg-type]  # of the encoder
    assert decoded_pixels(out.getvalue(), limits=DecodeLimits(), short_side=320) == expected
