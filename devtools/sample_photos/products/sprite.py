"""A product: a function that renders its sprite, and how it may be photographed."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from devtools.sample_photos.rendering.random_choice import Rng
from devtools.sample_photos.rendering.scene import View
from devtools.sample_photos.rendering.shading import Light

Maker = Callable[[Rng, int, Light], Image.Image]


@dataclass(frozen=True)
class Product:
    """A kind of product.

    Attributes:
        maker: renders an RGBA sprite whose longer side is about the given pixels.
        views: possible camera positions.
        lift: thickness as a share of its size, for the shadow of a flat product.
        span: size as a share of the photo's shorter side.
    """

    maker: Maker
    views: tuple[View, ...]
    lift: float = 0.04
    span: tuple[float, float] = (0.6, 0.85)
