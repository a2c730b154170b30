"""Backgrounds of photos: a ground from above, a table in a room, or a wall."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from devtools.sample_photos.rendering.colors import blend, muted_color, shade, vivid_color
from devtools.sample_photos.rendering.geometry import project_texture
from devtools.sample_photos.rendering.materials import GROUNDS, TABLES, render_material
from devtools.sample_photos.rendering.noise import fractal_noise
from devtools.sample_photos.rendering.pixels import as_floats, as_image
from devtools.sample_photos.rendering.random_choice import Rng, chance, integer, uniform
from devtools.sample_photos.rendering.shading import Light, random_light


class View(StrEnum):
    """Camera position of a photo."""

    ABOVE = "above"
    TABLE = "table"
    WALL = "wall"


@dataclass(frozen=True)
class Scene:
    """A background photo, and the light and view for the products pasted into it.

    Attributes:
        photo: RGB background; products are pasted into it in place.
        view: camera position.
        light: direction of the light on background and products.
    """

    photo: Image.Image
    view: View
    light: Light


def make_scene(rng: Rng, view: View, size: tuple[int, int]) -> Scene:
    """Return an empty scene of a size (width, height) in pixels."""
    light = random_light(rng)
    makers = {View.ABOVE: _from_above, View.TABLE: _table, View.WALL: _wall}
    return Scene(makers[view](rng, size, light), view, light)


def _from_above(rng: Rng, size: tuple[int, int], light: Light) -> Image.Image:
    side = int(max(size) * 0.68)
    texture = render_material(rng, GROUNDS, side, light)
    angle = uniform(rng, -0.6, 0.6) + (np.pi / 2 if chance(rng, 0.5) else 0)
    reach = side * uniform(rng, 0.3, 0.36)
    across, down = reach * size[0] / max(size), reach * size[1] / max(size)
    far = uniform(rng, 1.0, 1.18)
    frame = [(-across * far, -down), (across * far, -down), (across, down), (-across, down)]
    cosine, sine = np.cos(angle), np.sin(angle)
    window = [
        (side / 2 + x * cosine - y * sine, side / 2 + x * sine + y * cosine) for x, y in frame
    ]
    return project_texture(texture, window, size)


def _table(rng: Rng, size: tuple[int, int], light: Light) -> Image.Image:
    width, height = size
    photo = _room_background(rng, size)
    horizon = int(height * uniform(rng, 0.3, 0.55))
    texture = render_material(rng, TABLES, int(width * 0.64), light)
    side, near = texture.width, uniform(rng, 0.25, 0.4)
    window = [(0.0, 0.0), (side - 1.0, 0.0)]
    window += [(side * (0.5 + near / 2), side * 0.98), (side * (0.5 - near / 2), side * 0.98)]
    top = project_texture(texture, window, (width, height - horizon))
    photo.paste(top, (0, horizon))
    edge = ImageDraw.Draw(photo)
    edge.line((0, horizon, width, horizon), fill=(60, 52, 46), width=max(height // 160, 2))
    return _out_of_focus_behind(photo, horizon)


def _out_of_focus_behind(photo: Image.Image, horizon: int) -> Image.Image:
    """Blur by distance: the whole room, and the table less and less towards the camera."""
    depth = min(int(horizon * 1.5), photo.height)
    near = photo.crop((0, 0, photo.width, depth))
    far = near.reduce(4).filter(ImageFilter.GaussianBlur(2))
    far = far.resize(near.size, Image.Resampling.BILINEAR)
    fade = np.clip((depth - np.arange(depth)) / (depth - horizon + 1), 0, 1) * 255
    cover = Image.fromarray(np.repeat(fade.astype(np.uint8)[:, None], photo.width, axis=1))
    photo.paste(far, (0, 0), cover)
    return photo


def _room_background(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return a blurred room: a wall, furniture as blocks, lamps as discs."""
    width, height = size[0] // 4, size[1] // 4
    room = Image.new("RGB", (width, height), blend(muted_color(rng), (222, 216, 208), 0.55))
    pen = ImageDraw.Draw(room)
    for _ in range(integer(rng, 0, 6)):
        left, top = integer(rng, -20, width), integer(rng, -20, height // 2)
        right, bottom = left + integer(rng, 10, width // 2), top + integer(rng, 20, height)
        color = shade(
            vivid_color(rng) if chance(rng, 0.25) else muted_color(rng), uniform(rng, 0.6, 1.1)
        )
        pen.rectangle((left, top, right, bottom), fill=color)
    for _ in range(integer(rng, 0, 7) if chance(rng, 0.4) else 0):
        x, y, radius = integer(rng, 0, width), integer(rng, 0, height // 2), integer(rng, 3, 8)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(252, 236, 196))
    soft = room.filter(ImageFilter.GaussianBlur(uniform(rng, 2, 5)))
    return soft.resize(size, Image.Resampling.BILINEAR)


def _wall(rng: Rng, size: tuple[int, int], light: Light) -> Image.Image:
    if chance(rng, 0.25):
        return _from_above(rng, size, light)
    width, height = size
    base = as_floats(blend(muted_color(rng), (228, 224, 217), uniform(rng, 0.4, 0.9)))
    plaster = fractal_noise(rng, height, width, cells=(5, 5), octaves=5) * 2.5
    surface = base + plaster[..., None]
    if chance(rng, 0.35):
        boards = np.arange(width) % (width / integer(rng, 3, 7))
        surface = surface * np.where(boards < max(width // 200, 2), 0.8, 1.0)[None, :, None]
    return as_image(surface)
