"""Puts a sprite into a photo, with the shadow that ties it to the ground."""

from PIL import Image, ImageFilter

from stack.catalogue.craft.curves import Point
from stack.catalogue.craft.shading import Light

_SHADOW = (18, 16, 20)


def _darken(photo: Image.Image, cover: Image.Image, place: tuple[int, int]) -> None:
    photo.paste(_SHADOW, (*place, place[0] + cover.width, place[1] + cover.height), cover)


def _soft(
    alpha: Image.Image, blur: float, strength: float, *, scale: int = 1
) -> tuple[Image.Image, int]:
    """Return a blurred shadow in photo pixels with a margin, and that margin.

    Blurred at a quarter of the size, since nobody can see the difference in a blur.

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


def lay(photo: Image.Image, sprite: Image.Image, centre: Point, light: Light, lift: float) -> None:
    """Lay a flat sprite on the ground of the photo, in place.

    Args:
        photo: RGB photo, changed.
        sprite: RGBA picture.
        centre: where its middle goes, in pixels.
        light: lamp; the shadow falls away from it.
        lift: thickness of the thing in pixels: how far and how soft the shadow falls.
    """
    left, top = int(centre[0] - sprite.width / 2), int(centre[1] - sprite.height / 2)
    alpha = sprite.getchannel("A")
    for reach, strength in ((1.0, 0.4), (0.3, 0.45)):
        soft, margin = _soft(alpha, lift * reach + 2, strength)
        shift_x, shift_y = -light.x * lift * reach * 1.6, -light.y * lift * reach * 1.6
        _darken(photo, soft, (int(left - margin + shift_x), int(top - margin + shift_y)))
    photo.paste(sprite, (left, top), sprite)


def stand(photo: Image.Image, sprite: Image.Image, foot: Point, light: Light) -> None:
    """Stand an upright sprite on a table in the photo, in place.

    Args:
        photo: RGB photo, changed.
        sprite: RGBA picture; its lowest row touches the table.
        foot: where the middle of its lowest row goes, in pixels.
        light: lamp; the shadow falls across the table, away from it.
    """
    left, top = int(foot[0] - sprite.width / 2), int(foot[1] - sprite.height)
    _cast(photo, sprite.getchannel("A"), (left, int(foot[1])), light)
    contact = sprite.getchannel("A").crop((0, int(sprite.height * 0.86), *sprite.size))
    soft, margin = _soft(contact, 7, 0.6)
    _darken(photo, soft, (left - margin, int(foot[1]) - contact.height - margin + 5))
    photo.paste(sprite, (left, top), sprite)


def _cast(photo: Image.Image, alpha: Image.Image, foot: tuple[int, int], light: Light) -> None:
    """Let the silhouette fall flat on the table, at half size since it gets blurred."""
    small = alpha.reduce(2)
    flat = max(int(small.height * 0.34), 2)
    lean = -light.x * 1.1 * small.height
    room = int(abs(lean)) + 1
    squash, slant = small.height / flat, lean / flat
    # Output pixel (x, y) looks at the silhouette: sheared sideways, squashed, standing on its foot.
    shear = (1, slant, -room - slant * flat, 0, squash, 0)
    fallen = small.transform(
        (small.width + 2 * room, flat), Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR
    )
    soft, margin = _soft(fallen, 9, 0.42, scale=2)
    place = (foot[0] - 2 * room - margin, foot[1] - 2 * flat - margin - 2)
    _darken(photo, soft, place)
