"""Flames, rendered from noise, over products or in the dark."""

import numpy as np
from PIL import Image, ImageFilter

from devtools.sample_photos.products.shop import product_scene
from devtools.sample_photos.rendering.camera import expose
from devtools.sample_photos.rendering.noise import fractal_noise
from devtools.sample_photos.rendering.pixels import Field, as_floats, as_image, resize_field
from devtools.sample_photos.rendering.random_choice import Rng, chance, integer, uniform

# Maps heat 0..1 to the colors of burning wood and cloth in a phone photo.
_HEAT = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
_RED = np.array([20, 150, 228, 252, 255, 255])
_GREEN = np.array([4, 26, 92, 164, 218, 250])
_BLUE = np.array([2, 4, 10, 30, 90, 214])


def _tongues(rng: Rng, height: int, width: int) -> Field:
    """Return heat, (height, width), 0..1, in the shape of flames."""
    ys, xs = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    up = 1 - ys
    draught = fractal_noise(rng, height, width, cells=(5, 4), octaves=3) * 0.055
    lean = uniform(rng, -0.15, 0.15)
    place = xs + draught * (0.3 + 1.2 * up) + lean * up
    heat = np.zeros((height, width), dtype=np.float32)
    for _ in range(integer(rng, 4, 9)):
        center, tall = uniform(rng, 0.22, 0.78), uniform(rng, 0.45, 1.0)
        wide = uniform(rng, 0.06, 0.16)
        taper = np.clip(1 - up / tall, 0, 1) ** 0.75 * np.minimum(1, 0.45 + up * 4)
        across = np.abs(place - center) / (wide * taper + 0.004)
        heat = np.maximum(heat, np.clip(1.25 - across, 0, 1) * (0.45 + 0.75 * taper))
    torn = fractal_noise(rng, height, width, cells=(6, 8), octaves=4, gain=0.6)
    return as_floats(np.clip(heat * (1 + 0.22 * torn) - 0.05, 0, 1))


def flames(rng: Rng, width: int, height: int) -> tuple[Image.Image, Image.Image]:
    """Return the colors (RGB) and the mask (L) of a fire of a size in pixels."""
    heat = resize_field(_tongues(rng, height // 2, width // 2), height, width)
    heat = np.clip(heat, 0, 1)
    color = np.stack([np.interp(heat, _HEAT, part) for part in (_RED, _GREEN, _BLUE)], axis=-1)
    cover = np.clip(heat * 3.2, 0, 1) * 255
    picture = Image.fromarray(color.astype(np.uint8))
    return picture, Image.fromarray(cover.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))


def _glow(
    photo: Image.Image, cover: Image.Image, place: tuple[int, int], dark: float
) -> Image.Image:
    """Return the photo lit by the fire: dark, and warm around the flames."""
    small = Image.new("L", (photo.width // 8, photo.height // 8), 0)
    small.paste(cover.reduce(8), (place[0] // 8, place[1] // 8))
    halo = small.filter(ImageFilter.GaussianBlur(photo.width / 70)).resize(photo.size)
    warmth = as_floats(halo)[..., None] / 255
    pixels = as_floats(photo) * dark
    tint = np.array([255, 120, 30], dtype=np.float32)
    pixels = pixels * (1 + 0.9 * warmth) + tint * warmth * 0.55
    return as_image(as_floats(pixels))


def _sparks(rng: Rng, photo: Image.Image) -> None:
    for _ in range(integer(rng, 0, 30)):
        x, y = integer(rng, 0, photo.width - 4), integer(rng, 0, photo.height - 4)
        side = integer(rng, 1, 3)
        photo.paste((255, integer(rng, 150, 230), 80), (x, y, x + side, y + side))


def fire_photo(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return an RGB photo with a fire in it."""
    scene = product_scene(rng, size)
    dark = uniform(rng, 0.12, 0.4) if chance(rng, 0.6) else uniform(rng, 0.5, 0.85)
    width, height = size
    wide = int(min(width * uniform(rng, 0.7, 1.1), height * 1.5))
    high = int(height * uniform(rng, 0.6, 0.95))
    fire, cover = flames(rng, wide, high)
    place = (int((width - wide) * uniform(rng, 0.3, 0.7)), height - high)
    if chance(rng, 0.5):
        place = (place[0], place[1] - int(height * uniform(rng, 0.02, 0.12)))
    photo = _glow(expose(rng, scene.photo), cover, place, dark)
    photo.paste(fire, place, cover)
    _sparks(rng, photo)
    return photo
