"""What every product is: a maker of one lit sprite, and how it may be photographed."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from stack.catalogue.craft.dice import Rng
from stack.catalogue.craft.shading import Light
from stack.catalogue.scene import View

Maker = Callable[[Rng, int, Light], Image.Image]


@dataclass(frozen=True)
class Product:
    """A kind of goods.

    Attributes:
        maker: draws one as an RGBA sprite whose longer side is about the given pixels.
        views: from where it can be photographed.
        lift: its thickness as a share of its size, for the shadow when it lies.
        span: size as a share of the photo's shorter side.
    """

    maker: Maker
    views: tuple[View, ...]
    lift: float = 0.04
    span: tuple[float, float] = (0.6, 0.85)
