"""Text gate: a small network that scores the likelihood of text, for the order of reading."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ml.vision.images.grayscale import Gray, fix_short_side

if TYPE_CHECKING:
    import onnxruntime  # type: ignore[import-untyped]

SHORT_SIDE = 256
STRIDE = 8  # pixels per side of one cell
WEIGHTS = Path(__file__).with_name("text_gate.onnx")


class TextEstimate(NamedTuple):
    """Likelihood of text (0..1, not a probability), and the share (0..1) of the photo under it."""

    likelihood: float
    cover: float


def estimate_text(picture: Image.Image | Gray) -> TextEstimate:
    """Score that text overlays the photo or that it is a page of text; thread-safe.

    A network of 100,000 weights gives each cell of 8 x 8 pixels a logit, and the photo one. It was
    trained on photos of products, half of them with text drawn over them (`python -m
    devtools.text_gate`), so it distinguishes a banner from a printed shirt or a shelf. It takes
    two milliseconds.

    Raises:
        cv2.error: the picture has no pixels.
    """
    gray = fix_short_side(picture, SHORT_SIDE).astype(np.float32) / 255 - 0.5
    logit, cover = load_gate().run(None, {"grey": gray[None, None]})
    return TextEstimate(float(1 / (1 + np.exp(-logit[0]))), float(cover[0]))


def text_likelihood(picture: Image.Image | Gray) -> float:
    """The likelihood of `estimate_text`."""
    return estimate_text(picture).likelihood


@cache
def load_gate() -> "onnxruntime.InferenceSession":
    """The gate's network; loaded only once."""
    import onnxruntime  # noqa: PLC0415 - a process without the text screen needs none of it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the callers' thread pool already uses all cores
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(WEIGHTS, options, providers=["CPUExecutionProvider"])
