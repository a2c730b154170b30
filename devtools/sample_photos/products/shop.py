"""The assortment of the sample shop, and photos of its products."""

from PIL import Image

from devtools.sample_photos.products.accessories import cutlery, phone_case, tote
from devtools.sample_photos.products.boxes import book, carton, pouch
from devtools.sample_photos.products.food import bananas, fruit
from devtools.sample_photos.products.footwear import pair, shoe
from devtools.sample_photos.products.garments import garment, hung
from devtools.sample_photos.products.plants import plant
from devtools.sample_photos.products.sprite import Product
from devtools.sample_photos.products.vessels import bottle, bowl, jar, mug
from devtools.sample_photos.rendering.compose import paste_flat, paste_standing
from devtools.sample_photos.rendering.geometry import tilt
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, uniform
from devtools.sample_photos.rendering.scene import Scene, View, make_scene

_ABOVE, _TABLE, _WALL = (View.ABOVE,), (View.TABLE,), (View.WALL,)
_BOTH = (View.ABOVE, View.TABLE)

ASSORTMENT: dict[str, Product] = {
    "garment": Product(garment, _ABOVE, lift=0.012, span=(0.8, 1.02)),
    "hung garment": Product(hung, _WALL, lift=0.02, span=(0.78, 0.9)),
    "mug": Product(mug, _TABLE, span=(0.42, 0.66)),
    "bottle": Product(bottle, _TABLE, span=(0.6, 0.82)),
    "jar": Product(jar, _TABLE, span=(0.4, 0.56)),
    "bowl": Product(bowl, _TABLE, span=(0.5, 0.75)),
    "shoe": Product(shoe, _TABLE, span=(0.62, 0.85)),
    "shoes": Product(pair, _BOTH, span=(0.65, 0.9)),
    "fruit": Product(fruit, _BOTH, lift=0.05, span=(0.5, 0.75)),
    "bananas": Product(bananas, _BOTH, lift=0.04, span=(0.6, 0.8)),
    "carton": Product(carton, _TABLE, span=(0.5, 0.72)),
    "pouch": Product(pouch, _BOTH, span=(0.55, 0.8)),
    "book": Product(book, _ABOVE, lift=0.025, span=(0.6, 0.8)),
    "phone case": Product(phone_case, _ABOVE, lift=0.02, span=(0.6, 0.82)),
    "bag": Product(tote, (View.TABLE, View.WALL, View.ABOVE), lift=0.03, span=(0.6, 0.85)),
    "cutlery": Product(cutlery, _ABOVE, lift=0.012, span=(0.6, 0.8)),
    "plant": Product(plant, _TABLE, span=(0.72, 0.95)),
}
_WEIGHTED_NAMES = (*ASSORTMENT, "garment", "garment", "garment", "hung garment", "mug", "bottle")


def product_scene(rng: Rng, size: tuple[int, int], name: str | None = None) -> Scene:
    """Return a finished scene with one product, before the camera's effects.

    Args:
        rng: source of randomness.
        size: width and height in pixels.
        name: a key of ASSORTMENT; random by default.
    """
    product = ASSORTMENT[name or choice(rng, _WEIGHTED_NAMES)]
    scene = make_scene(rng, choice(rng, product.views), size)
    shorter, longer = min(size), max(size)
    side = int((shorter * 0.9 + longer * 0.15) * uniform(rng, *product.span))
    sprite = product.maker(rng, side, scene.light)
    if scene.view is View.TABLE:
        _stand_on_table(rng, scene, sprite)
    else:
        _lay_down(rng, scene, sprite, product.lift * side)
    return scene


def _stand_on_table(rng: Rng, scene: Scene, sprite: Image.Image) -> None:
    width, height = scene.photo.size
    x = width * uniform(rng, 0.42, 0.58)
    y = min(height * uniform(rng, 0.78, 0.93), height - 6.0)
    if sprite.height > y - 6:
        sprite = sprite.resize((int(sprite.width * (y - 6) / sprite.height), int(y - 6)))
    paste_standing(scene.photo, sprite, (x, y), scene.light)


def _lay_down(rng: Rng, scene: Scene, sprite: Image.Image, lift: float) -> None:
    width, height = scene.photo.size
    hanging = scene.view is View.WALL
    turn = uniform(rng, -4, 4) if hanging else uniform(rng, -28, 28)
    if not hanging and chance(rng, 0.12):
        turn += 90
    seen = tilt(rng, sprite, turn=turn, lean=0.04 if hanging else 0.14)
    if seen.height > height * 1.06:
        scale = height * 1.06 / seen.height
        seen = seen.resize((int(seen.width * scale), int(seen.height * scale)))
    center = (width * uniform(rng, 0.44, 0.56), height * uniform(rng, 0.46, 0.54))
    paste_flat(scene.photo, seen, center, scene.light, lift)
