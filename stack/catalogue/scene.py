"""The place of a photo: a ground seen from above, a table before a wall, or a wall to hang on."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stack.catalogue.craft.colours import blend, muted, shaded, vivid
from stack.catalogue.craft.dice import Rng, between, chance, whole
from stack.catalogue.craft.geometry import seen_through
from stack.catalogue.craft.noise import fractal
from stack.catalogue.craft.pixels import floats, picture
from stack.catalogue.craft.shading import Light, lamp
from stack.catalogue.materials import GROUNDS, TABLES, sheet


class View(StrEnum):
    """From where the buyer took the photo."""

    ABOVE = "above"
    TABLE = "table"
    WALL = "wall"


@dataclass(frozen=True)
class Scene:
    """An empty photo and what a product needs to know to stand in it.

    Attributes:
        photo: RGB ground; products are put into it in place.
        view: from where it is seen.
        light: the lamp that lights ground and products alike.
    """

    photo: Image.Image
    view: View
    light: Light


def set_scene(rng: Rng, view: View, size: tuple[int, int]) -> Scene:
    """Return an empty scene of a size (width, height) in pixels."""
    light = lamp(rng)
    makers = {View.ABOVE: _from_above, View.TABLE: _table, View.WALL: _wall}
    return Scene(makers[view](rng, size, light), view, light)


def _from_above(rng: Rng, size: tuple[int, int], light: Light) -> Image.Image:
    side = int(max(size) * 0.68)
    texture = sheet(rng, GROUNDS, side, light)
    angle = between(rng, -0.6, 0.6) + (np.pi / 2 if chance(rng, 0.5) else 0)
    reach = side * between(rng, 0.3, 0.36)
    across, down = reach * size[0] / max(size), reach * size[1] / max(size)
    far = between(rng, 1.0, 1.18)
    frame = [(-across * far, -down), (across * far, -down), (across, down), (-across, down)]
    cosine, sine = np.cos(angle), np.sin(angle)
    window = [
        (side / 2 + x * cosine - y * sine, side / 2 + x * sine + y * cosine) for x, y in frame
    ]
    return seen_through(texture, window, size)


def _table(rng: Rng, size: tuple[int, int], light: Light) -> Image.Image:
    width, height = size
    photo = _room(rng, size)
    horizon = int(height * between(rng, 0.3, 0.55))
    texture = sheet(rng, TABLES, int(width * 0.64), light)
    side, near = texture.width, between(rng, 0.25, 0.4)
    window = [(0.0, 0.0), (side - 1.0, 0.0)]
    window += [(side * (0.5 + near / 2), side * 0.98), (side * (0.5 - near / 2), side * 0.98)]
    top = seen_through(texture, window, (width, height - horizon))
    photo.paste(top, (0, horizon))
    edge = ImageDraw.Draw(photo)
    edge.line((0, horizon, width, horizon), fill=(60, 52, 46), width=max(height // 160, 2))
    return _out_of_focus_behind(photo, horizon)


def _out_of_focus_behind(photo: Image.Image, horizon: int) -> Image.Image:
    """Blur what is far: all of the room, and the table less and less towards the camera."""
    depth = min(int(horizon * 1.5), photo.height)
    near = photo.crop((0, 0, photo.width, depth))
    far = near.reduce(4).filter(ImageFilter.GaussianBlur(2))
    far = far.resize(near.size, Image.Resampling.BILINEAR)
    fade = np.clip((depth - np.arange(depth)) / (depth - horizon + 1), 0, 1) * 255
    cover = Image.fromarray(np.repeat(fade.astype(np.uint8)[:, None], photo.width, axis=1))
    photo.paste(far, (0, 0), cover)
    return photo


def _room(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Return the blurred back of a room: a wall, furniture as soft blocks, lamps as discs."""
    width, height = size[0] // 4, size[1] // 4
    room = Image.new("RGB", (width, height), blend(muted(rng), (222, 216, 208), 0.55))
    pen = ImageDraw.Draw(room)
    for _ in range(whole(rng, 0, 6)):
        left, top = whole(rng, -20, width), whole(rng, -20, height // 2)
        right, bottom = left + whole(rng, 10, width // 2), top + whole(rng, 20, height)
        colour = shaded(vivid(rng) if chance(rng, 0.25) else muted(rng), between(rng, 0.6, 1.1))
        pen.rectangle((left, top, right, bottom), fill=colour)
    for _ in range(whole(rng, 0, 7) if chance(rng, 0.4) else 0):
        x, y, radius = whole(rng, 0, width), whole(rng, 0, height // 2), whole(rng, 3, 8)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(252, 236, 196))
    soft = room.filter(ImageFilter.GaussianBlur(between(rng, 2, 5)))
    return soft.resize(size, Image.Resampling.BILINEAR)


def _wall(rng: Rng, size: tuple[int, int], light: Light) -> Image.Image:
    if chance(rng, 0.25):
        return _from_above(rng, size, light)
    width, height = size
    base = floats(blend(muted(rng), (228, 224, 217), between(rng, 0.4, 0.9)))
    plaster = fractal(rng, height, width, cells=(5, 5), octaves=5) * 2.5
    surface = base + plaster[..., None]
    if chance(rng, 0.35):
        boards = np.arange(width) % (width / whole(rng, 3, 7))
        surface = surface * np.where(boards < max(width // 200, 2), 0.8, 1.0)[None, :, None]
    return picture(surface)
