"""Sharpness: the measure, and the choice of its cut-off."""

import csv
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from ml.screens.sharpness import choose_cut_off, screen_sharpness, sharpness
from tests.unit.images.pictures import photo


def blurred(image: Image.Image, share: float = 0.01) -> Image.Image:
    """A copy blurred by a Gaussian of a share of the short side."""
    return image.filter(ImageFilter.GaussianBlur(share * min(image.size)))


def test_a_blurred_photo_fires_and_a_sharp_one_does_not() -> None:
    sharp = photo(640, 480).resize((320, 240))
    assert screen_sharpness(blurred(photo(640, 480), 0.02)).reason == "blurred"
    assert screen_sharpness(sharp, cut_off=1.0).fired is False


def test_the_figure_hardly_depends_on_the_size_of_the_file() -> None:
    small = photo(512, 512)
    large = small.resize((2048, 2048), Image.Resampling.NEAREST)
    assert sharpness(large) == pytest.approx(sharpness(small), rel=0.05)


def test_a_strip_stays_small() -> None:
    assert screen_sharpness(Image.new("RGB", (20_000, 40))).fired is True


def test_the_cut_off_keeps_its_promise_on_sharp_photos() -> None:
    sharp = [float(v) for v in range(100, 200)]
    choice = choose_cut_off(sharp, [1.0, 50.0, 101.5, 150.0])
    assert choice is not None
    assert 101.5 < choice.cut_off <= 102
    assert (choice.sharp_fired, choice.blurred_missed) == (0.02, 0.25)


def test_the_cut_off_lies_in_the_middle_of_a_gap() -> None:
    choice = choose_cut_off([100.0, 200.0], [10.0, 20.0])
    assert choice is not None
    assert (choice.cut_off, choice.sharp_fired, choice.blurred_missed) == (60.0, 0.0, 0.0)


def test_equal_values_never_break_the_bound() -> None:
    choice = choose_cut_off([5.0] * 50 + [9.0] * 50, [5.0, 4.0])
    assert choice is not None
    assert choice.sharp_fired == 0.0
    assert choice.blurred_missed == 0.5


def test_no_choice_without_labels() -> None:
    assert choose_cut_off([], [1.0]) is None
    assert choose_cut_off([1.0], []) is None


def test_the_default_fits_real_photos(real_data: Path) -> None:
    with (real_data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "normal"][::40]
    pictures = [Image.open(real_data / row["path"]).convert("RGB") for row in rows]
    fired = [screen_sharpness(picture).fired for picture in pictures]
    found = [screen_sharpness(blurred(picture)).fired for picture in pictures]
    assert sum(map(bool, fired)) <= 0.1 * len(pictures)
    assert sum(map(bool, found)) >= 0.95 * len(pictures)
