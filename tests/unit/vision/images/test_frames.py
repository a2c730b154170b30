"""Frames that are judged: fixed ones, and those that differ from the others."""

import io

import pytest
from PIL import Image, ImageFile

from ml.vision.images.frames import choose_frames, count_readable
from tests.unit.vision.images.animations import animated, marked
from tests.unit.vision.images.pictures import photo


def opened(frames: list[Image.Image], file_format: str = "GIF") -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(animated(frames, file_format, lossless=True)))


def chosen(image: ImageFile.ImageFile, readable: int, wanted: int = 6, seed: int = 0) -> list[int]:
    frames = choose_frames(image, readable=readable, wanted=wanted, seed=seed)
    return [frame.number for frame in frames]


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_all_frames_of_a_short_animation_are_chosen(file_format: str) -> None:
    frames = [photo(seed=n) for n in range(5)]
    assert chosen(opened(frames, file_format), 5) == [0, 1, 2, 3, 4]


def test_first_middle_last_are_chosen_and_the_one_that_differs() -> None:
    """A file of 41 frames, of which two differ: from the first, and a little from the others."""
    frames = [photo(seed=n // 40) for n in range(41)]
    frames[13], frames[27] = marked(), photo(seed=9)
    for n, frame in enumerate(frames):  # all differ somewhat, as noise does
        frame.putpixel((n, 0), (255, 255, 255))
    numbers = chosen(opened(frames, "PNG"), 41)
    assert {0, 13, 20, 27, 40} <= set(numbers)
    assert len(numbers) <= 6


def test_equal_frames_are_chosen_once() -> None:
    frames = [photo(), photo(seed=1), photo(), photo(seed=1), photo()]
    assert chosen(opened(frames), 5) == [0, 1]


def test_choice_is_that_of_the_seed() -> None:
    frames = [photo(40, 32, seed=n) for n in range(30)]
    first = chosen(opened(frames), 30, seed=5)
    assert chosen(opened(frames), 30, seed=5) == first
    others = {tuple(chosen(opened(frames), 30, seed=seed)) for seed in range(6)}
    assert len(others) > 1


@pytest.mark.parametrize(
    ("max_pixels", "expected"), [(10**6, (4, 4)), (2 * 160 * 120, (4, 2)), (1, (4, 1))]
)
def test_readable_frames_are_bounded_by_their_pixels(
    max_pixels: int, expected: tuple[int, int]
) -> None:
    image = opened([photo(seed=n) for n in range(4)])
    assert count_readable(image, max_pixels=max_pixels) == expected
