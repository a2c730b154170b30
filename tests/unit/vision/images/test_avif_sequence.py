"""An AVIF sequence is judged frame by frame, and only with the sizes that it declares."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.core.errors import ImageRejected, QuarantineReason
from ml.vision.images.avif_header import check_avif_sizes
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.vision.images.animations import animated
from tests.unit.vision.images.pictures import damaged, distance, photo

FRAMES = [photo(seed=n) for n in range(4)]
SEQUENCE = animated(FRAMES, "AVIF", quality=95)
SMALL = animated([photo(64, 48, seed=n) for n in range(2)], "AVIF")


def rejection(data: bytes, **limits: int) -> ImageRejected:
    with pytest.raises(ImageRejected) as caught:
        decode(data, limits=DecodeLimits(**limits))
    return caught.value


def with_number(data: bytes, box: bytes, offset: int, value: int, size: int = 4) -> bytes:
    """The file with another number at an offset of the content of the first box of a type."""
    at = data.index(box) + 4 + offset
    return data[:at] + value.to_bytes(size, "big") + data[at + size :]


@pytest.mark.parametrize("alpha", [False, True])
def test_frames_are_views(alpha: bool) -> None:
    data = SEQUENCE
    if alpha:
        clear = [frame.copy() for frame in FRAMES]
        for frame in clear:
            frame.putalpha(90)
        data = animated(clear, "AVIF")
    found = decode(data, limits=DecodeLimits(), all_views=True)
    assert found.frames == 4
    assert {view.frame for view in found.views} == {0, 1, 2, 3}
    assert {view.background for view in found.views} == ({"white", "black"} if alpha else {"white"})
    if not alpha:
        for view, frame in zip(found.views, FRAMES, strict=True):
            assert distance(view.image, frame) < 8


def test_every_size_of_the_tracks_is_checked() -> None:
    sizes: list[tuple[int, int]] = []
    check_avif_sizes(SEQUENCE, lambda width, height: sizes.append((width, height)))
    assert set(sizes) == {(160, 120)}
    assert rejection(SEQUENCE, max_pixels=160 * 120 - 1).reason is QuarantineReason.TOO_MANY_PIXELS


@pytest.mark.parametrize("width", [0, 159, 161, 60_000])
def test_track_that_declares_another_size_is_corrupt(width: int) -> None:
    forged = with_number(SEQUENCE, b"stsd", 40, width, 2)
    assert "a track declares" in rejection(forged).detail


@pytest.mark.parametrize(
    ("box", "offset", "value"),
    [
        (b"stsz", 8, 5),  # more frames than sizes
        (b"stsz", 8, 3),  # fewer
        (b"stsz", 12, 2**31),  # a frame larger than the file
        (b"stsz", 4, 2**20),  # all of one size, larger than the file
        (b"stsc", 8, 2),  # chunks from the second on
        (b"stsc", 12, 2**31),  # two thousand million samples in a chunk
        (b"stco", 4, 2**31),  # as many chunks
        (b"stsd", 4, 0),  # ignored: the entry is there
        (b"stco", 8, 2**31),  # a chunk beyond the file
    ],
)
def test_tables_that_lie_are_read_in_bounded_time_and_rejected_or_harmless(
    box: bytes, offset: int, value: int
) -> None:
    forged = with_number(SEQUENCE, box, offset, value)
    try:
        decode(forged, limits=DecodeLimits())
    except ImageRejected as rejected:
        assert rejected.reason in (QuarantineReason.CORRUPT, QuarantineReason.TRUNCATED)  # noqa: PT017 - some forgeries are harmless


def test_sequence_without_frames_is_animated() -> None:
    still = SEQUENCE.replace(b"moov", b"free")
    assert rejection(still).reason is QuarantineReason.ANIMATED


@settings(deadline=None)
@given(cut=st.floats(0, 1), junk=st.binary(max_size=40), at=st.floats(0, 1))
def test_damaged_sequence_raises_no_other_error(cut: float, junk: bytes, at: float) -> None:
    try:
        check_avif_sizes(damaged(SMALL, junk, at=at, cut=cut), lambda _width, _height: None)
    except ImageRejected as rejected:
        assert rejected.reason in (QuarantineReason.CORRUPT, QuarantineReason.ANIMATED)  # noqa: PT017 - some are whole
