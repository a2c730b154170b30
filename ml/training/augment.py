"""What makes a training photo look different each time it is seen."""

from collections.abc import Sequence

import torch
from torchvision.transforms.v2 import functional as transform

from ml.training.preset import Augmentation

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's and torchvision's greyscale
_ASPECT = 4 / 3  # a resized crop is between 3:4 and 4:3, torchvision's default


def augment(
    photos: Sequence[torch.Tensor],
    recipe: Augmentation,
    generator: torch.Generator,
    *,
    size: int,
) -> torch.Tensor:
    """Cut, flip and recolour photos at random.

    Args:
        photos: uint8 (3, H, W) each, of any size that the crop fits into.
        recipe: what to vary and how far.
        generator: on the CPU; the only source of chance.
        size: side of the square in pixels.

    Returns:
        uint8 (N, 3, size, size).
    """
    batch = torch.stack([_cut(photo, recipe.least_area, generator, size) for photo in photos])
    if recipe.flip:
        chosen = torch.rand(len(batch), generator=generator) < 0.5  # noqa: PLR2004 - every other
        batch[chosen] = batch[chosen].flip(-1)
    return _recolour(batch, recipe.colour, generator) if recipe.colour else batch


def _cut(
    photo: torch.Tensor, least_area: float | None, generator: torch.Generator, size: int
) -> torch.Tensor:
    if least_area is not None:
        return _random_resized_crop(photo, least_area, generator, size)
    height, width = photo.shape[1:]
    top, left = _below(height - size + 1, generator), _below(width - size + 1, generator)
    return photo[:, top : top + size, left : left + size]


def _random_resized_crop(
    photo: torch.Tensor, least_area: float, generator: torch.Generator, size: int
) -> torch.Tensor:
    """Inception's crop; one that would leave the photo is clipped to it, not drawn again."""
    height, width = photo.shape[1:]
    area = height * width * _between(least_area, 1.0, generator)
    aspect = _ASPECT ** _between(-1.0, 1.0, generator)
    h = min(height, max(1, round((area / aspect) ** 0.5)))
    w = min(width, max(1, round((area * aspect) ** 0.5)))
    top, left = _below(height - h + 1, generator), _below(width - w + 1, generator)
    cut: torch.Tensor = transform.resized_crop(photo, top, left, h, w, [size, size], antialias=True)
    return cut


def _recolour(batch: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Brightness, contrast and saturation of each photo, in this order, each 1 +- strength."""

    def factor() -> torch.Tensor:
        return 1 + strength * (2 * torch.rand((len(batch), 1, 1, 1), generator=generator) - 1)

    pixels = (batch.float() * factor()).clamp_(0, 255)
    mean = _grey(pixels).mean(dim=(1, 2, 3), keepdim=True)
    pixels = mean.lerp(pixels, factor()).clamp_(0, 255)
    pixels = _grey(pixels).lerp(pixels, factor()).clamp_(0, 255)
    return pixels.round_().to(torch.uint8)


def _grey(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels * torch.tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _below(bound: int, generator: torch.Generator) -> int:
    return int(torch.randint(bound, (), generator=generator))


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
