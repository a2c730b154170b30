import numpy as np
import pytest
from PIL import Image

from ml.vision.images.grayscale import limit_long_side
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
    assert (grey.mode, grey.size) == ("L", expected)


def test_limit_long_side_keeps_the_content() -> None:
    large = photo(1700, 1300)
    plain = large.convert("L").resize((1280, 979), Image.Resampling.BOX)
    grey = limit_long_side(large, 1280)
    assert np.abs(np.asarray(grey).astype(int) - np.asarray(plain)).mean() < 2
