"""Renders one photo of the sample catalogue from its own seed."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from ml.errors import SettingsError
from stack.catalogue.camera import exposed, stored
from stack.catalogue.craft.dice import Rng, between, chance, pick, whole
from stack.catalogue.craft.fonts import MONO, font
from stack.catalogue.craft.hand import hold_up
from stack.catalogue.craft.labels import package_face
from stack.catalogue.photo import CATEGORIES, NORMAL, VIOLATE, SamplePhoto
from stack.catalogue.products.shop import product_scene
from stack.catalogue.violations.ad import ad_photo
from stack.catalogue.violations.fire import fire_photo
from stack.catalogue.violations.qr import qr_photo
from stack.catalogue.violations.text import text_photo
from stack.catalogue.violations.weapon import weapon_photo

_SIZES = (*((640, 480),) * 20, (720, 540), (720, 540), (800, 600), (960, 720))
_CARD = (246, 243, 236)


def normal_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB photo that a shop is glad to have, some of them with misleading detail."""
    scene = product_scene(rng, size)
    if chance(rng, 0.05):
        width = int(min(size) * between(rng, 0.4, 0.55))
        printed = package_face(rng, width, int(width * between(rng, 1.2, 1.5)), _CARD)
        hold_up(rng, scene.photo, printed, scene.light)
    photo = exposed(rng, scene.photo)
    if chance(rng, 0.03):
        _date_stamp(rng, photo)
    return photo


def _date_stamp(rng: Rng, photo: Image.Image) -> None:
    """Write the date into the corner, as older cameras do: text, yet no violation."""
    day = f"20{whole(rng, 19, 26)}-{whole(rng, 1, 12):02}-{whole(rng, 1, 28):02}"
    size = photo.height // 24
    place = (photo.width - size * 7, photo.height - size * 2)
    ImageDraw.Draw(photo).text(place, day, fill=(255, 170, 60), font=font(MONO, size))


_PAINTERS: dict[str, Callable[[Rng, tuple[int, int]], Image.Image]] = {
    NORMAL: normal_photo,
    "qr": qr_photo,
    "ad": ad_photo,
    "text": text_photo,
    "weapon": weapon_photo,
    "fire": fire_photo,
}


def _frame(rng: Rng) -> tuple[int, int]:
    width, height = pick(rng, _SIZES)
    return (height, width) if chance(rng, 0.45) else (width, height)


def render_photo(
    seed: int, index: int, category: str, size: tuple[int, int] | None = None
) -> SamplePhoto:
    """Return photo number `index` of the catalogue of a seed, always the same bytes.

    Args:
        seed: the catalogue's seed, 0 or more.
        index: the photo's number, 0 or more; also its name.
        category: one of CATEGORIES.
        size: width and height in pixels, at least 160 each; drawn at random where not given.
            A screenshot turns it upright.

    Raises:
        SettingsError: the category is not one that is drawn.
    """
    if category not in CATEGORIES:
        raise SettingsError(f"unknown category {category!r}: use one of {', '.join(CATEGORIES)}")
    rng = np.random.default_rng((seed, index))
    frame = _frame(rng)
    photo = _PAINTERS[category](rng, size or frame)
    data = stored(rng, photo, turned=category != "text")
    label = NORMAL if category == NORMAL else VIOLATE
    return SamplePhoto(f"photo_{index:06d}.jpg", label, category, data, broken=False)
