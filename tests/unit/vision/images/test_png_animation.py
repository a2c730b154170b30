"""Animated PNG files are judged where all programs agree on their frames, and else rejected."""

import struct

import pytest

from ml.core.errors import ImageRejected
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.png_chunks import read_chunks
from tests.unit.vision.images.animations import animated, chunk, insert_chunks
from tests.unit.vision.images.pictures import encoded, photo

LIMITS = DecodeLimits()
STILL = encoded(photo(), "PNG")
FRAMES = animated([photo(seed=n) for n in range(3)], "PNG")
HEADER = 33


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    return list(read_chunks(data))


def joined(chunks: list[bytes]) -> bytes:
    return STILL[:8] + b"".join(chunks)


def without(kind: bytes, number: int = 0) -> bytes:
    """The animation without its chunk of a kind with a number."""
    parts = chunks_of(FRAMES)
    places = [i for i, (name, _) in enumerate(parts) if name == kind]
    return joined([part for i, (_, part) in enumerate(parts) if i != places[number]])


def swapped(kind: bytes) -> bytes:
    """The animation with its first two chunks of a kind in the other order."""
    parts = [part for _, part in chunks_of(FRAMES)]
    first, second = [i for i, (name, _) in enumerate(chunks_of(FRAMES)) if name == kind][:2]
    parts[first], parts[second] = parts[second], parts[first]
    return joined(parts)


def declaring(frames: int) -> bytes:
    header = chunk(b"acTL", struct.pack(">II", frames, 0))
    return joined([header if kind == b"acTL" else part for kind, part in chunks_of(FRAMES)])


def test_animation_is_decoded_frame_by_frame() -> None:
    found = decode(FRAMES, limits=LIMITS, all_views=True)
    assert [view.frame for view in found.views] == [0, 1, 2]


def test_still_picture_beside_an_animation_is_a_frame_too() -> None:
    """Viewers without animation show it, browsers do not: both are judged."""
    data = animated([photo(), photo(seed=1)], "PNG", default_image=True)
    found = decode(data, limits=LIMITS, all_views=True)
    assert found.frames == 2
    assert len(found.views) == 2


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"acTL", struct.pack(">II", 0, 0))],
        [
            chunk(b"acTL", struct.pack(">II", 1, 0)),
            chunk(b"fcTL", struct.pack(">5I2H2B", 0, 160, 120, 0, 0, 1, 1, 0, 0)),
        ],
    ],
    ids=["no frame", "one frame"],
)
def test_animation_of_the_picture_alone_is_a_still_picture(chunks: list[bytes]) -> None:
    assert decode(insert_chunks(STILL, *chunks), limits=LIMITS).frames == 1


@pytest.mark.parametrize(
    "data",
    [
        insert_chunks(STILL, *[chunk(b"acTL", struct.pack(">II", 1, 0))] * 2),
        insert_chunks(STILL, chunk(b"acTL", struct.pack(">II", 1, 0))),
        insert_chunks(STILL, chunk(b"acTL", struct.pack(">II", 2, 0))),
        insert_chunks(STILL, chunk(b"fdAT", bytes(9))),
        without(b"acTL"),
        without(b"fcTL"),
        without(b"fcTL", 1),
        without(b"fdAT"),
        without(b"fdAT", 1),
        swapped(b"fcTL"),
        swapped(b"fdAT"),
        declaring(0),
        declaring(1),
        declaring(2),
        declaring(4),
    ],
    ids=lambda _: "",
)
def test_animation_that_programs_read_differently_is_rejected(data: bytes) -> None:
    with pytest.raises(ImageRejected, match="animated"):
        decode(data, limits=LIMITS)


def test_many_chunks_are_rejected_before_they_are_decoded() -> None:
    parts = [chunk(b"acTL", struct.pack(">II", 20_001, 0))]
    parts += [chunk(b"fdAT", struct.pack(">I", n)) for n in range(1, 30_000)]
    control = chunk(b"fcTL", bytes(26))
    with pytest.raises(ImageRejected, match="animated"):
        decode(insert_chunks(STILL, parts[0], control, *parts[1:]), limits=LIMITS)
