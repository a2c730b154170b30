"""Random augmentation of training photos."""

from collections.abc import Sequence

import torch
from torchvision.transforms.v2 import functional as transform

from ml.models.training.preset import Augmentation

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's and torchvision's grayscale
_ASPECT = 4 / 3  # a resized crop is between 3:4 and 4:3, torchvision's default


def augment(
    photos: Sequence[torch.Tensor],
    recipe: Augmentation,
    generator: torch.Generator,
    *,
    size: int,
) -> torch.Tensor:
    """Crop and flip photos at random and jitter their color.

    Takes photos, uint8 (3, H, W), of any size that the crop fits into; returns uint8
    (N, 3, size, size). The generator, on the CPU, is the only source of randomness.
    """
    batch = torch.stack([_crop(photo, recipe.min_area, generator, size) for photo in photos])
    if recipe.flip:
        flipped = torch.rand(len(batch), generator=generator) < 0.5  # noqa: PLR2004 - even odds
        batch[flipped] = batch[flipped].flip(-1)
    return _jitter_color(batch, recipe.colour, generator) if recipe.colour else batch


def _crop(
    photo: torch.Tensor, min_area: float | None, generator: torch.Generator, size: int
) -> torch.Tensor:
    if min_area is not None:
        return _random_resized_crop(photo, min_area, generator, size)
    height, width = photo.shape[1:]
    top = _draw_int(height - size + 1, generator)
    left = _draw_int(width - size + 1, generator)
    return photo[:, top : top + size, left : left + size]


def _random_resized_crop(
    photo: torch.Tensor, min_area: float, generator: torch.Generator, size: int
) -> torch.Tensor:
    """Inception's crop; one that exceeds the photo is clipped to it, not drawn again."""
    height, width = photo.shape[1:]
    area = height * width * _draw_float(min_area, 1.0, generator)
    aspect = _ASPECT ** _draw_float(-1.0, 1.0, generator)
    h = min(height, max(1, round((area / aspect) ** 0.5)))
    w = min(width, max(1, round((area * aspect) ** 0.5)))
    top, left = _draw_int(height - h + 1, generator), _draw_int(width - w + 1, generator)
    crop: torch.Tensor = transform.resized_crop(
        photo, top, left, h, w, [size, size], antialias=True
    )
    return crop


def _jitter_color(batch: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Multiply brightness, contrast and saturation, in this order, by 1 +- strength per photo."""

    def factor() -> torch.Tensor:
        return 1 + strength * (2 * torch.rand((len(batch), 1, 1, 1), generator=generator) - 1)

    pixels = (batch.float() * factor()).clamp_(0, 255)
    mean = _grayscale(pixels).mean(dim=(1, 2, 3), keepdim=True)
    pixels = mean.lerp(pixels, factor()).clamp_(0, 255)
    pixels = _grayscale(pixels).lerp(pixels, factor()).clamp_(0, 255)
    return pixels.round_().to(torch.uint8)


def _grayscale(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels * torch.tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _draw_int(bound: int, generator: torch.Generator) -> int:
    return int(torch.randint(bound, (), generator=generator))


def _draw_float(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
