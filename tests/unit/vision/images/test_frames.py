"""Frames that are judged: fixed ones, and those that differ from the others."""

import io

import pytest
from PIL import Image, ImageFile

from ml.vision.images.frames import ChosenFrames, choose_frames, count_readable, read_frames
from tests.unit.vision.images.animations import animated, marked
from tests.unit.vision.images.pictures import photo


def opened(frames: list[Image.Image], file_format: str = "GIF") -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(animated(frames, file_format, lossless=True)))


def choose(
    frames: list[Image.Image], file_format: str = "GIF", wanted: int = 6, seed: int = 0
) -> ChosenFrames:
    data = animated(frames, file_format, lossless=True)
    image = Image.open(io.BytesIO(data))
    number = image.n_frames
    return choose_frames(read_frames(image, data), readable=number, wanted=wanted, seed=seed)


def chosen(frames: list[Image.Image], file_format: str = "GIF", seed: int = 0) -> list[int]:
    return [frame.number for frame in choose(frames, file_format, seed=seed).frames]


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_all_frames_of_a_short_animation_are_chosen(file_format: str) -> None:
    frames = [photo(seed=n) for n in range(5)]
    assert chosen(frames, file_format) == [0, 1, 2, 3, 4]


def test_first_middle_last_are_chosen_and_the_one_that_differs() -> None:
    """A file of 41 frames, of which two differ: from the first, and a little from the others."""
    frames = [photo(seed=n // 40) for n in range(41)]
    frames[13], frames[27] = marked(), photo(seed=9)
    for n, frame in enumerate(frames):  # all differ somewhat, as noise does
        frame.putpixel((n, 0), (255, 255, 255))
    numbers = chosen(frames, "PNG")
    assert {0, 13, 20, 27, 40} <= set(numbers)
    assert len(numbers) <= 6


def test_equal_frames_are_chosen_once() -> None:
    frames = [photo(), photo(seed=1), photo(), photo(seed=1), photo()]
    assert chosen(frames) == [0, 1]


def test_choice_is_that_of_the_seed() -> None:
    frames = [photo(40, 32, seed=n) for n in range(30)]
    first = chosen(frames, seed=5)
    assert chosen(frames, seed=5) == first
    others = {tuple(chosen(frames, seed=seed)) for seed in range(6)}
    assert len(others) > 1


@pytest.mark.parametrize(
    ("max_pixels", "expected"), [(10**6, (4, 4)), (2 * 160 * 120, (4, 2)), (1, (4, 1))]
)
def test_readable_frames_are_bounded_by_their_pixels(
    max_pixels: int, expected: tuple[int, int]
) -> None:
    image = opened([photo(seed=n) for n in range(4)])
    assert count_readable(image, max_pixels=max_pixels) == expected


def test_scene_that_is_not_chosen_is_missed() -> None:
    """Flat colors, of which any six leave some out, against one scene with a little noise."""
    colors = [Image.new("RGB", (64, 48), (n * 25, 255 - n * 25, n * 97 % 256)) for n in range(10)]
    assert choose(colors).misses_some
    scene = [photo(seed=1) for _ in range(10)]
    for number, frame in enumerate(scene):
        frame.putpixel((number, number), (255, 255, 255))
    assert not choose(scene, "PNG").misses_some
