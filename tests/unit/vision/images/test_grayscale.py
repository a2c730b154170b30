import numpy as np
import pytest
from PIL import Image

from ml.vision.images.grayscale import halve, limit_long_side
from tests.unit.vision.images.pictures import photo


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), (640, 480)),
        ((1280, 100), (1280, 100)),
        ((1683, 1262), (1280, 960)),
        ((2600, 1950), (1280, 960)),
        ((30, 4000), (10, 1280)),
    ],
)
def test_limit_long_side_shrinks_and_never_enlarges(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    grey = limit_long_side(photo(*size), 1280)
    assert (grey.dtype, grey.shape) == (np.uint8, expected[::-1])


def test_limit_long_side_keeps_the_content() -> None:
    large = photo(1700, 1300)
    plain = large.convert("L").resize((1280, 979), Image.Resampling.BOX)
    grey = limit_long_side(large, 1280)
    assert np.abs(grey.astype(int) - np.asarray(plain)).mean() < 2


@pytest.mark.parametrize(
    ("size", "expected"), [((4, 2), (1, 2)), ((5, 3), (1, 2)), ((1, 9), (4, 1))]
)
def test_halve_averages_and_keeps_a_pixel(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert halve(np.full(size[::-1], 77, np.uint8)).shape == expected
    assert halve(np.array([[10, 20], [30, 40]], np.uint8)).tolist() == [[25]]
