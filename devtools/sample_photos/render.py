"""Render one photo of the sample catalogue from its own seed."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from devtools.sample_photos.photo import CATEGORIES, NORMAL, VIOLATE, SamplePhoto
from devtools.sample_photos.products.shop import product_scene
from devtools.sample_photos.rendering.camera import encode_jpeg, expose
from devtools.sample_photos.rendering.fonts import MONO, font
from devtools.sample_photos.rendering.hand import hold_up
from devtools.sample_photos.rendering.labels import package_face
from devtools.sample_photos.rendering.random_choice import Rng, chance, choice, integer, uniform
from devtools.sample_photos.violations.ad import ad_photo
from devtools.sample_photos.violations.fire import fire_photo
from devtools.sample_photos.violations.qr import qr_photo
from devtools.sample_photos.violations.text import text_photo
from devtools.sample_photos.violations.weapon import weapon_photo
from ml.core.errors import SettingsError

_SIZES = (*((640, 480),) * 20, (720, 540), (720, 540), (800, 600), (960, 720))
_PAPER_COLOR = (246, 243, 236)


def normal_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB photo without a violation, some with details that resemble one."""
    scene = product_scene(rng, size)
    if chance(rng, 0.05):
        width = int(min(size) * uniform(rng, 0.4, 0.55))
        printed = package_face(rng, width, int(width * uniform(rng, 1.2, 1.5)), _PAPER_COLOR)
        hold_up(rng, scene.photo, printed, scene.light)
    photo = expose(rng, scene.photo)
    if chance(rng, 0.03):
        _date_stamp(rng, photo)
    return photo


def _date_stamp(rng: Rng, photo: Image.Image) -> None:
    """Write the date into the corner, as older cameras do: text, but no violation."""
    day = f"20{integer(rng, 19, 26)}-{integer(rng, 1, 12):02}-{integer(rng, 1, 28):02}"
    size = photo.height // 24
    place = (photo.width - size * 7, photo.height - size * 2)
    ImageDraw.Draw(photo).text(place, day, fill=(255, 170, 60), font=font(MONO, size))


_RENDERERS: dict[str, Callable[[Rng, tuple[int, int]], Image.Image]] = {
    NORMAL: normal_photo,
    "qr": qr_photo,
    "ad": ad_photo,
    "text": text_photo,
    "weapon": weapon_photo,
    "fire": fire_photo,
}


def _random_size(rng: Rng) -> tuple[int, int]:
    width, height = choice(rng, _SIZES)
    return (height, width) if chance(rng, 0.45) else (width, height)


def render_photo(
    seed: int, index: int, category: str, size: tuple[int, int] | None = None
) -> SamplePhoto:
    """Return photo number `index` of the catalogue of a seed, always the same bytes.

    Args:
        seed: the catalogue's seed, 0 or more.
        index: the photo's number, 0 or more; also its name.
        category: one of CATEGORIES.
        size: width and height in pixels, at least 160 each; random by default.
            A screenshot is always upright.

    Raises:
        SettingsError: the category is unknown.
    """
    if category not in CATEGORIES:
        raise SettingsError(f"unknown category {category!r}: use one of {', '.join(CATEGORIES)}")
    rng = np.random.default_rng((seed, index))
    frame = _random_size(rng)
    photo = _RENDERERS[category](rng, size or frame)
    data = encode_jpeg(rng, photo, may_rotate=category != "text")
    label = NORMAL if category == NORMAL else VIOLATE
    return SamplePhoto(f"photo_{index:06d}.jpg", label, category, data, broken=False)
