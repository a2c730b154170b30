"""Paste a sprite with its shadow into a photo."""

from PIL import Image, ImageFilter

from devtools.sample_photos.rendering.curves import Point
from devtools.sample_photos.rendering.shading import Light

_SHADOW = (18, 16, 20)


def _darken(photo: Image.Image, cover: Image.Image, place: tuple[int, int]) -> None:
    photo.paste(_SHADOW, (*place, place[0] + cover.width, place[1] + cover.height), cover)


def _blurred_shadow(
    alpha: Image.Image, blur: float, strength: float, *, scale: int = 1
) -> tuple[Image.Image, int]:
    """Return a blurred shadow in photo pixels with a margin, and that margin.

    Blurred at a quarter of the size, which makes no visible difference.

    Args:
        alpha: the silhouette.
        blur: radius in pixels of the photo.
        strength: darkness, 0..1.
        scale: photo pixels per pixel of the silhouette, 1 or 2.
    """
    shrink = 4
    edge = int(blur * 2 / shrink) + 1
    small = alpha.reduce(shrink // scale)
    room = Image.new("L", (small.width + 2 * edge, small.height + 2 * edge), 0)
    room.paste(small.point([int(level * strength) for level in range(256)]), (edge, edge))
    soft = room.filter(ImageFilter.GaussianBlur(blur / shrink))
    size = (soft.width * shrink, soft.height * shrink)
    return soft.resize(size, Image.Resampling.BILINEAR), edge * shrink


def paste_flat(
    photo: Image.Image, sprite: Image.Image, center: Point, light: Light, lift: float
) -> None:
    """Paste a flat sprite and its shadow onto the ground of the photo, in place.

    Args:
        photo: RGB photo, changed.
        sprite: RGBA picture.
        center: where its middle goes, in pixels.
        light: the shadow falls away from it.
        lift: thickness of the object in pixels, which sets length and blur of the shadow.
    """
    left, top = int(center[0] - sprite.width / 2), int(center[1] - sprite.height / 2)
    alpha = sprite.getchannel("A")
    for reach, strength in ((1.0, 0.4), (0.3, 0.45)):
        soft, margin = _blurred_shadow(alpha, lift * reach + 2, strength)
        shift_x, shift_y = -light.x * lift * reach * 1.6, -light.y * lift * reach * 1.6
        _darken(photo, soft, (int(left - margin + shift_x), int(top - margin + shift_y)))
    photo.paste(sprite, (left, top), sprite)


def paste_standing(photo: Image.Image, sprite: Image.Image, foot: Point, light: Light) -> None:
    """Paste an upright sprite and its shadow onto a table in the photo, in place.

    Args:
        photo: RGB photo, changed.
        sprite: RGBA picture; its lowest row touches the table.
        foot: where the middle of its lowest row goes, in pixels.
        light: the shadow falls across the table, away from it.
    """
    left, top = int(foot[0] - sprite.width / 2), int(foot[1] - sprite.height)
    _cast_shadow(photo, sprite.getchannel("A"), (left, int(foot[1])), light)
    contact = sprite.getchannel("A").crop((0, int(sprite.height * 0.86), *sprite.size))
    soft, margin = _blurred_shadow(contact, 7, 0.6)
    _darken(photo, soft, (left - margin, int(foot[1]) - contact.height - margin + 5))
    photo.paste(sprite, (left, top), sprite)


def _cast_shadow(
    photo: Image.Image, alpha: Image.Image, foot: tuple[int, int], light: Light
) -> None:
    """Draw the shadow of the silhouette on the table, at half size since it is blurred."""
    small = alpha.reduce(2)
    flat = max(int(small.height * 0.34), 2)
    lean = -light.x * 1.1 * small.height
    room = int(abs(lean)) + 1
    squash, slant = small.height / flat, lean / flat
    # Maps an output pixel to the silhouette, which is sheared and squashed about its lowest row.
    shear = (1, slant, -room - slant * flat, 0, squash, 0)
    fallen = small.transform(
        (small.width + 2 * room, flat), Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR
    )
    soft, margin = _blurred_shadow(fallen, 9, 0.42, scale=2)
    place = (foot[0] - 2 * room - margin, foot[1] - 2 * flat - margin - 2)
    _darken(photo, soft, place)
