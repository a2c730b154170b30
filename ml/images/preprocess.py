"""A decoded picture -> model input, as the model card says and in no other way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import torch

_INTERPOLATION = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}

# Resizing the short side of a 32 x 3,000,000 strip to 256 would need some 20 GB for a crop of 224
# pixels. Beyond this ratio of the sides the centre of the strip is cut out first.
MAX_ASPECT = 10

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Preprocessing(BaseModel):
    """The part of a model card that says how a decoded picture becomes model input.

    `resize` is the short side in pixels, `crop` the side of the square cut from the centre; `mean`
    and `std` are per channel (red, green, blue) of values from 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: int = Field(ge=16, le=1024)
    crop: int = Field(ge=1, le=1024)
    mean: tuple[_Finite, _Finite, _Finite]
    std: tuple[_Positive, _Positive, _Positive]
    interpolation: Literal["bilinear", "bicubic"]

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop > self.resize:
            message = f"crop ({self.crop}) must not exceed resize ({self.resize}): lower the crop"
            raise ValueError(message)
        return self


# What the source article trains with: torchvision's usual ImageNet evaluation transform.
ARTICLE = Preprocessing(
    resize=256,
    crop=224,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    interpolation="bilinear",
)


def prepare(image: Image.Image, spec: Preprocessing) -> npt.NDArray[np.uint8]:
    """Resize the short side, then cut out the centre.

    The pixels equal those of torchvision's `Resize(resize)` and `CenterCrop(crop)` on the same
    picture. Pillow's `resize(box=...)`, which would compute the crop only, is up to 40 % faster
    but keeps the box in 32-bit floats: single pixels then differ by up to 25 levels. Strips longer
    than `MAX_ASPECT` times their width are cut to that ratio first, and there alone the sampling
    grid is shifted by less than a pixel of the original.

    Args:
        image: RGB picture.
        spec: the card's preprocessing.

    Returns:
        uint8 array (3, crop, crop), 0 to 255, contiguous. Normalisation follows for the whole
        batch, in `normalise`: a byte a value is a quarter of what crosses to the device.
    """
    image = _without_far_ends(image)
    width, height = image.size
    short = min(width, height)
    size = (int(spec.resize * width / short), int(spec.resize * height / short))
    resized = image.resize(size, _INTERPOLATION[spec.interpolation])
    # Python rounds halves to even, as torchvision's CenterCrop does by the same call.
    left, top = (round((side - spec.crop) / 2) for side in size)
    pixels = np.asarray(resized.crop((left, top, left + spec.crop, top + spec.crop)))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def normalise(
    batch: torch.Tensor, spec: Preprocessing, *, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Scale a batch to the model's input range, on the device where it lies.

    Computes (value / 255 - mean) / std in 32-bit floats, as torchvision's `ToTensor` and
    `Normalize` do, and rounds to `dtype` once at the end.

    Args:
        batch: uint8 tensor (N, 3, H, W), a stack of what `prepare` returns.
        spec: the card's preprocessing.
        dtype: of the result; float32 where None.

    Returns:
        Tensor (N, 3, H, W) of `dtype` in the channels-last memory format, which convolutions are
        fastest in on recent CPUs and GPUs.
    """
    import torch  # noqa: PLC0415 - decode workers import this file and must not pay for torch

    def per_channel(values: tuple[float, float, float]) -> torch.Tensor:
        return torch.tensor(values, device=batch.device).view(1, 3, 1, 1)

    scaled = batch.to(torch.float32, memory_format=torch.channels_last).div_(255)
    scaled.sub_(per_channel(spec.mean)).div_(per_channel(spec.std))
    return scaled.to(dtype or torch.float32)


def _without_far_ends(image: Image.Image) -> Image.Image:
    width, height = image.size
    longest = MAX_ASPECT * min(width, height)
    if max(width, height) <= longest:
        return image
    kept_width, kept_height = min(width, longest), min(height, longest)
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    return image.crop((left, top, left + kept_width, top + kept_height))
