"""The assortment of the sample shop and how a buyer photographs one piece of it."""

from PIL import Image

from stack.catalogue.craft.compose import lay, stand
from stack.catalogue.craft.dice import Rng, between, chance, pick
from stack.catalogue.craft.geometry import tilted
from stack.catalogue.products.accessories import cutlery, phone_case, tote
from stack.catalogue.products.boxes import book, carton, pouch
from stack.catalogue.products.food import bananas, fruit
from stack.catalogue.products.footwear import pair, shoe
from stack.catalogue.products.garments import garment, hung
from stack.catalogue.products.plants import plant
from stack.catalogue.products.sprite import Product
from stack.catalogue.products.vessels import bottle, bowl, jar, mug
from stack.catalogue.scene import Scene, View, set_scene

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
_USUAL = (*ASSORTMENT, "garment", "garment", "garment", "hung garment", "mug", "bottle")


def product_scene(rng: Rng, size: tuple[int, int], name: str | None = None) -> Scene:
    """Return a finished scene with one product, before the camera's effects.

    Args:
        rng: source of chance.
        size: width and height in pixels.
        name: a key of ASSORTMENT; drawn at random where not given.
    """
    product = ASSORTMENT[name or pick(rng, _USUAL)]
    scene = set_scene(rng, pick(rng, product.views), size)
    shorter, longer = min(size), max(size)
    side = int((shorter * 0.9 + longer * 0.15) * between(rng, *product.span))
    sprite = product.maker(rng, side, scene.light)
    if scene.view is View.TABLE:
        _stand_on_table(rng, scene, sprite)
    else:
        _lay_down(rng, scene, sprite, product.lift * side)
    return scene


def _stand_on_table(rng: Rng, scene: Scene, sprite: Image.Image) -> None:
    width, height = scene.photo.size
    x = width * between(rng, 0.42, 0.58)
    y = min(height * between(rng, 0.78, 0.93), height - 6.0)
    if sprite.height > y - 6:
        sprite = sprite.resize((int(sprite.width * (y - 6) / sprite.height), int(y - 6)))
    stand(scene.photo, sprite, (x, y), scene.light)


def _lay_down(rng: Rng, scene: Scene, sprite: Image.Image, lift: float) -> None:
    width, height = scene.photo.size
    hanging = scene.view is View.WALL
    turn = between(rng, -4, 4) if hanging else between(rng, -28, 28)
    if not hanging and chance(rng, 0.12):
        turn += 90
    seen = tilted(rng, sprite, turn=turn, lean=0.04 if hanging else 0.14)
    if seen.height > height * 1.06:
        scale = height * 1.06 / seen.height
        seen = seen.resize((int(seen.width * scale), int(seen.height * scale)))
    centre = (width * between(rng, 0.44, 0.56), height * between(rng, 0.46, 0.54))
    lay(scene.photo, seen, centre, scene.light, lift)
