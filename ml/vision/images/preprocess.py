"""Turn a decoded picture into model input, exactly as the model card specifies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ml.core.yaml_file import StrictModel
from ml.vision.images.decode import Decoded, decode, draft_factor
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.pixel_view import halve_rgb

if TYPE_CHECKING:
    import torch


_INTERPOLATION = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

# Resizing the short side of a 32 x 3,000,000 strip to 256 would need about 20 GB for a crop of 224
# pixels. Beyond this aspect ratio the center of the strip is cropped first.
MAX_ASPECT = 10

MAX_CROP = 1024  # pixels

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Preprocessing(StrictModel):
    """Section of the model card: how a decoded picture becomes model input.

    `resize` is the short side in pixels, `crop` the side of the square cropped from the center;
    `mean` and `std` are per channel (red, green, blue), for values from 0 to 1. With `fit: squash`
    both sides become `resize` pixels, whatever the aspect: nothing but the crop's margin is lost.
    """

    resize: int = Field(ge=16, le=MAX_CROP)
    crop: int = Field(ge=1, le=MAX_CROP)
    mean: tuple[_Finite, _Finite, _Finite]
    std: tuple[_Positive, _Positive, _Positive]
    interpolation: Literal["bilinear", "bicubic"]
    fit: Literal["crop", "squash"] = "crop"

    @model_serializer(mode="wrap")
    def _omit_default_fit(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """`fit` was added later: without it, cards and feature caches of before keep their hash."""
        content: dict[str, Any] = serialize(self)
        if content["fit"] == "crop":
            del content["fit"]
        return content

    @model_validator(mode="after")
    def _check_crop(self) -> Self:
        if self.crop > self.resize:
            message = f"crop ({self.crop}) must not exceed resize ({self.resize}): lower the crop"
            raise ValueError(message)
        return self


# The preprocessing of the source article: torchvision's usual ImageNet evaluation transform.
ARTICLE = Preprocessing(
    resize=256,
    crop=224,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    interpolation="bilinear",
)


def resize(image: Image.Image, spec: Preprocessing) -> Image.Image:
    """Resize the short side to `spec.resize`, or both sides with `fit: squash`.

    Strips longer than `MAX_ASPECT` times their width are cropped to that ratio first.
    """
    image = _crop_extreme_aspect(image)
    size = (spec.resize, spec.resize)
    if spec.fit == "crop":
        width, height = image.size
        short = min(width, height)
        size = (int(spec.resize * width / short), int(spec.resize * height / short))
    return image.resize(size, _INTERPOLATION[spec.interpolation])


def prepare(image: Image.Image, spec: Preprocessing) -> npt.NDArray[np.uint8]:
    """Resize by the card's fit, then crop the center.

    The pixels equal those of torchvision's `Resize(resize)`, with `fit: squash` of
    `Resize((resize, resize))`, and `CenterCrop(crop)` on the same picture. Pillow's
    `resize(box=...)`, which computes only the crop, is up to 40 % faster but stores the box as
    32-bit floats: single pixels then differ by up to 25 levels. Only for strips, see `resize`, the
    sampling grid is shifted, by less than a pixel of the original.

    Returns a contiguous uint8 array (3, crop, crop), 0 to 255. `normalize` follows for the whole
    batch: one byte per value is a quarter of the data to copy to the device.
    """
    resized = resize(image, spec)
    # Python rounds halves to even; torchvision's CenterCrop makes the same call.
    left, top = (round((side - spec.crop) / 2) for side in resized.size)
    pixels = np.asarray(resized.crop((left, top, left + spec.crop, top + spec.crop)))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


Channels = tuple["torch.Tensor", "torch.Tensor"]


def channel_values(spec: Preprocessing, device: torch.device) -> Channels:
    """Mean and standard deviation per channel on a device, for `normalize`."""
    import torch  # noqa: PLC0415 - decode workers import this file and must not load torch

    mean, std = (
        torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (spec.mean, spec.std)
    )
    return mean, std


def normalize(
    batch: torch.Tensor,
    spec: Preprocessing,
    *,
    dtype: torch.dtype | None = None,
    channels: Channels | None = None,
) -> torch.Tensor:
    """Scale a batch (N, 3, H, W) of results of `prepare` to the model's input range.

    Computes (value / 255 - mean) / std in 32-bit floats on the batch's device, as torchvision's
    `ToTensor` and `Normalize` do, and rounds to `dtype` (float32 by default) once at the end. The
    result is in channels-last memory format, in which convolutions are fastest on recent CPUs and
    GPUs. `channels` are `channel_values` of the device, for a caller that needs them often.
    """
    import torch  # noqa: PLC0415 - decode workers import this file and must not load torch

    mean, std = channels or channel_values(spec, batch.device)
    scaled = batch.to(torch.float32, memory_format=torch.channels_last).div_(255)
    scaled.sub_(mean).div_(std)
    return scaled.to(dtype or torch.float32)


def _crop_extreme_aspect(image: Image.Image) -> Image.Image:
    width, height = image.size
    max_side = MAX_ASPECT * min(width, height)
    if max(width, height) <= max_side:
        return image
    crop_width, crop_height = min(width, max_side), min(height, max_side)
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    return image.crop((left, top, left + crop_width, top + crop_height))


@dataclass(frozen=True)
class DecodePlan:
    """One decode for the model and for the screens that need pixels.

    With a `picture_side` (`Screens.picture_side` of the policy) a photo is decoded large enough for
    the screens and then reduced, by averaging, to the scale that a decode for the model alone would
    have. The model thus sees nearly, not exactly, the same pixels. The side is part of the policy,
    so one policy version always gives the same pixels.
    """

    limits: DecodeLimits
    picture_side: int | None = None

    def decode(self, data: bytes, spec: Preprocessing) -> Decoded:
        """Decode all views of a photo for the model and the screens; raises as `decode` does."""
        short_side, long_side = spec.resize, self.picture_side
        return decode(
            data, limits=self.limits, short_side=short_side, long_side=long_side, all_views=True
        )

    def for_model(self, image: Image.Image, spec: Preprocessing) -> Image.Image:
        """The decoded picture at the scale that this preprocessing starts from."""
        if self.picture_side is None:
            return image
        factor = draft_factor(image.size, spec.resize)
        if factor == 2:  # noqa: PLR2004 - that of most photos
            return halve_rgb(image)
        return image.reduce(factor) if factor > 1 else image
