"""Sharpness: the measure and the choice of its threshold."""

import csv
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from ml.vision.screens.sharpness import choose_threshold, screen_sharpness, sharpness
from tests.unit.vision.images.pictures import photo


def blurred(image: Image.Image, share: float = 0.01) -> Image.Image:
    """A copy blurred by a Gaussian of a share of the short side."""
    return image.filter(ImageFilter.GaussianBlur(share * min(image.size)))


def share_below(threshold: float, values: list[float]) -> float:
    """Share of the values on which a threshold fires."""
    return sum(value < threshold for value in values) / len(values)


def test_screen_sharpness_fires_on_a_blurred_photo_only() -> None:
    sharp = photo(640, 480).resize((320, 240))
    assert screen_sharpness(blurred(photo(640, 480), 0.02)).reason == "blurred"
    assert screen_sharpness(sharp, threshold=1.0).fired is False


def test_sharpness_is_stable_across_sizes() -> None:
    small = photo(512, 512)
    large = small.resize((2048, 2048), Image.Resampling.NEAREST)
    assert sharpness(large) == pytest.approx(sharpness(small), rel=0.05)


def test_sharpness_of_a_long_strip_stays_cheap() -> None:
    assert screen_sharpness(Image.new("RGB", (20_000, 40))).fired is True


def test_choose_threshold_keeps_the_bound_on_sharp_photos() -> None:
    sharp = [float(v) for v in range(100, 200)]
    blurred_values = [1.0, 50.0, 101.5, 150.0]
    threshold = choose_threshold(sharp, blurred_values)
    assert threshold is not None
    assert 101.5 < threshold <= 102
    assert share_below(threshold, sharp) == 0.02
    assert share_below(threshold, blurred_values) == 0.75


def test_choose_threshold_returns_the_middle_of_a_gap() -> None:
    assert choose_threshold([100.0, 200.0], [10.0, 20.0]) == 60.0


def test_choose_threshold_keeps_the_bound_with_equal_values() -> None:
    sharp = [5.0] * 50 + [9.0] * 50
    threshold = choose_threshold(sharp, [5.0, 4.0])
    assert threshold is not None
    assert share_below(threshold, sharp) == 0.0
    assert share_below(threshold, [5.0, 4.0]) == 0.5


def test_choose_threshold_without_labels_returns_none() -> None:
    assert choose_threshold([], [1.0]) is None
    assert choose_threshold([1.0], []) is None


def test_default_sharpness_threshold_fits_real_photos(real_data: Path) -> None:
    with (real_data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "normal"][::40]
    pictures = [Image.open(real_data / row["path"]).convert("RGB") for row in rows]
    fired = [screen_sharpness(picture).fired for picture in pictures]
    found = [screen_sharpness(blurred(picture)).fired for picture in pictures]
    assert sum(map(bool, fired)) <= 0.1 * len(pictures)
    assert sum(map(bool, found)) >= 0.95 * len(pictures)
