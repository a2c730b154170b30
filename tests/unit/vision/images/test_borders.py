"""Borders around a photo are trimmed; a photo without any is left as it is."""

import pytest
from PIL import Image, ImageDraw, ImageOps

from ml.vision.images.borders import trim_borders
from tests.unit.vision.images.pictures import photo


def test_frame_of_one_color_is_trimmed() -> None:
    picture = photo(320, 240)
    for color in ((0, 0, 0), (255, 255, 255), (200, 30, 60)):
        trimmed = trim_borders(ImageOps.expand(picture, 40, color))
        assert trimmed is not None
        assert abs(trimmed.width - 320) <= 2
        assert abs(trimmed.height - 240) <= 2


def test_bars_of_a_screenshot_are_trimmed_with_their_icons() -> None:
    screen = Image.new("RGB", (320, 400), (255, 255, 255))
    screen.paste(photo(320, 240), (0, 60))
    pen = ImageDraw.Draw(screen)
    pen.rectangle((20, 20, 60, 40), fill=(0, 0, 0))
    pen.ellipse((40, 330, 70, 360), fill=(220, 20, 20))
    trimmed = trim_borders(screen)
    assert trimmed is not None
    assert trimmed.width == 320
    assert abs(trimmed.height - 240) <= 2


@pytest.mark.parametrize("picture", [photo(320, 240), Image.new("RGB", (320, 240), (9, 9, 9))])
def test_photo_without_borders_and_an_empty_one_are_not_trimmed(picture: Image.Image) -> None:
    assert trim_borders(picture) is None


def test_hardly_visible_rest_is_no_photo() -> None:
    assert trim_borders(ImageOps.expand(photo(40, 40), 140, (0, 0, 0))) is None
