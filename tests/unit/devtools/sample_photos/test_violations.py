import numpy as np
import pytest
from PIL import Image

from devtools.sample_photos.rendering.shading import Light
from devtools.sample_photos.violations.fire import flames
from devtools.sample_photos.violations.qr import code
from devtools.sample_photos.violations.weapon import knife, pistol, revolver

LIGHT = Light(0.4, -0.4, 0.82)


def test_qr_code_has_three_finder_patterns_and_a_light_border() -> None:
    pixels = np.asarray(code(np.random.default_rng(1), 330).convert("L")) < 128
    rows, columns = np.where(pixels)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    assert min(top, left) >= 10
    for row, column in ((top, left), (top, right), (bottom, left)):
        assert pixels[row, column]
    finder = pixels[top + 2, left : left + 40]
    assert finder[:30].all()  # the upper edge of a finder pattern is one unbroken bar


def test_two_qr_codes_have_different_urls() -> None:
    first, second = (code(np.random.default_rng(seed), 330) for seed in (1, 2))
    assert first.tobytes() != second.tobytes()


def test_flames_cover_the_middle_and_not_the_corners() -> None:
    colors, cover = flames(np.random.default_rng(4), 200, 160)
    heat = np.asarray(cover)
    assert heat[:10, :10].max() < 40
    assert heat[:10, -10:].max() < 40
    burning = np.asarray(colors)[heat > 250].mean(axis=0)
    assert burning[0] > burning[1] > burning[2]  # red over green over blue


@pytest.mark.parametrize("make", [knife, pistol, revolver])
def test_weapon_sprite_is_opaque_on_transparent_background(make: object) -> None:
    assert callable(make)
    sprite = make(np.random.default_rng(2), 200, LIGHT)
    assert isinstance(sprite, Image.Image)
    alpha = np.asarray(sprite.getchannel("A"))
    assert max(sprite.size) > 150
    assert 0.15 < (alpha > 128).mean() < 0.9
