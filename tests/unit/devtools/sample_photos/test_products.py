import numpy as np
import pytest
from PIL import Image

from devtools.sample_photos.products.shop import ASSORTMENT, product_scene
from devtools.sample_photos.rendering.compose import paste_standing
from devtools.sample_photos.rendering.shading import Light

pytestmark = pytest.mark.slow

LIGHT = Light(-0.4, -0.4, 0.82)


@pytest.mark.parametrize("name", ASSORTMENT)
def test_product_sprite_has_its_size_and_transparent_background(name: str) -> None:
    sprite = ASSORTMENT[name].maker(np.random.default_rng(3), 200, LIGHT)
    alpha = np.asarray(sprite.getchannel("A"))
    assert 100 <= max(sprite.size) <= 330
    assert (alpha > 128).mean() > 0.1
    assert (alpha == 0).any()


@pytest.mark.parametrize("name", ASSORTMENT)
def test_product_is_visible_in_its_photo(name: str) -> None:
    scene = product_scene(np.random.default_rng(3), (200, 160), name)
    assert scene.view in ASSORTMENT[name].views
    assert scene.photo.size == (200, 160)
    middle = scene.photo.crop((60, 50, 140, 140)).convert("L")
    assert np.asarray(middle).std() > 4


def test_light_from_the_left_brightens_the_left_side() -> None:
    def sides(light: Light) -> float:
        sprite = ASSORTMENT["bowl"].maker(np.random.default_rng(8), 200, light)
        luma = np.asarray(sprite.convert("L"), dtype=float)
        row = luma[int(sprite.height * 0.6)]
        return float(row[50:80].mean() - row[120:150].mean())

    assert sides(Light(-0.6, -0.3, 0.74)) > 0 > sides(Light(0.6, -0.3, 0.74))


def test_shadow_falls_away_from_the_lamp() -> None:
    from_left, from_right = (_shadow_side(Light(x, -0.3, 0.74)) for x in (-0.6, 0.6))
    assert from_left > 0 > from_right


def _shadow_side(light: Light) -> float:
    """Return how much darker the ground is to the right of an object than to its left."""
    photo = Image.new("RGB", (300, 200), (200, 200, 200))
    paste_standing(photo, Image.new("RGBA", (40, 100), (200, 200, 200, 255)), (150, 180), light)
    ground = np.asarray(photo.convert("L"), dtype=float)[100:180]
    return float(ground[:, 40:125].mean() - ground[:, 175:260].mean())
