"""Screens of signals: the pixels that a model of others sees, and what its outputs mean.

The model itself is run by `ml.models.signals`, after the forward pass; its pixels are made where
the photo is decoded.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field, model_validator

from ml.core.types import Evidence, ScreenResult, negative, positive, unknown
from ml.core.yaml_file import StrictModel
from ml.policy.screens import ScreenAction, Signal
from ml.vision.images.preprocess import MAX_CROP, Preprocessing, prepare

MAX_SIDE = 640  # pixels of an input: those of most detectors; the screens' picture has 704 to 800

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]
_Triple = tuple[float, float, float]
_Positive = Annotated[float, Field(gt=0)]


class SignalInput(StrictModel):
    """Section `input` of a signal's card: a square of `size` pixels, as the model expects it.

    The whole picture is squashed to the square, or its center cropped, or the rest padded with the
    gray level `padding`. With `resize` a larger square is made first, and its center cropped. The
    model gets (level / `scale` - `mean`) / `std`, per channel in the order of `colors`.
    """

    size: int = Field(ge=32, le=MAX_SIDE)
    resize: int | None = Field(None, ge=32, le=MAX_CROP)
    fit: Literal["squash", "crop", "pad"] = "squash"
    padding: int = Field(114, ge=0, le=255)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colors: Literal["RGB", "BGR"] = "RGB"
    scale: _Positive = 255.0
    mean: _Triple = (0.0, 0.0, 0.0)
    std: tuple[_Positive, _Positive, _Positive] = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _check_resize(self) -> Self:
        if self.resize is not None and (self.fit == "pad" or self.resize < self.size):
            raise ValueError("`resize` is at least `size`, and goes with `fit: squash` or `crop`")
        return self


def prepare_input(image: Image.Image, spec: SignalInput) -> Pixels:
    """The pixels of an RGB picture for a signal, uint8 (3, size, size)."""
    if spec.fit == "pad":
        return np.ascontiguousarray(np.asarray(_pad(image, spec)).transpose(2, 0, 1))
    square = Preprocessing(
        resize=spec.resize or spec.size,
        crop=spec.size,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        interpolation="bilinear",
        fit=spec.fit,
    )
    return prepare(image, square)


def _pad(image: Image.Image, spec: SignalInput) -> Image.Image:
    scale = spec.size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    padded = Image.new("RGB", (spec.size, spec.size), (spec.padding,) * 3)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    padded.paste(resized, ((spec.size - width) // 2, (spec.size - height) // 2))
    return padded


def screen_signal(name: str, rules: Signal, outputs: Sequence[str], scores: Scores) -> ScreenResult:
    """Fire `<name>:<output>` if an output that the policy raises reaches its threshold in a view.

    `scores` (views, outputs) are probabilities. The value is the score nearest to its threshold, or
    furthest above it. A score that is no number makes the result `unknown`, unless another one
    sends the photo to review.
    """
    raised = scores[:, [outputs.index(output) for output in rules.raises]].astype(np.float64)
    usable = np.isfinite(raised)
    margins = np.where(usable, raised, -np.inf) - [r.threshold for r in rules.raises.values()]
    view, column = (int(i) for i in np.unravel_index(margins.argmax(), margins.shape))
    output = list(rules.raises)[column]
    value = float(raised[view, column]) if usable.any() else None
    worst = np.where(usable, raised, 0.0).max(axis=0).round(4).tolist()
    evidence: Evidence = {
        "model": rules.model,
        "scores": dict(zip(rules.raises, worst, strict=True)),
    }
    if len(scores) > 1:
        evidence["view"] = view
    fired = bool(margins[view, column] >= 0)
    if not usable.all() and not (fired and rules.action is ScreenAction.REVIEW):
        return unknown(name, "failed", evidence | {"error": "an output is no number"})
    if not fired:
        return negative(name, value, evidence)
    evidence["class"] = rules.raises[output].violation
    return positive(name, f"{name}:{output}", value, evidence)
