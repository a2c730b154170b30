"""The grey pictures."""

import numpy as np
import pytest
from PIL import Image

from ml.screens.grey import reduced_grey
from tests.unit.images.pictures import photo


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
def test_the_long_side_is_bounded_and_nothing_is_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    grey = reduced_grey(photo(*size), 1280)
    assert (grey.mode, grey.size) == ("L", expected)


def test_it_shows_what_the_photo_shows() -> None:
    large = photo(1700, 1300)
    plain = large.convert("L").resize((1280, 979), Image.Resampling.BOX)
    grey = reduced_grey(large, 1280)
    assert np.abs(np.asarray(grey).astype(int) - np.asarray(plain)).mean() < 2
