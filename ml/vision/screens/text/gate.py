"""Text gate: a small network that decides whether the expensive OCR is worthwhile."""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from PIL import Image

from ml.vision.images.grayscale import fix_short_side

SHORT_SIDE = 224
STRIDE = 8  # pixels per side of one cell
CELLS = 12  # number of likeliest cells whose mean is the photo's logit: a short word
WEIGHTS = Path(__file__).with_name("text_gate.onnx")


def text_likelihood(image: Image.Image) -> float:
    """Score (0..1, not a probability) that text overlays the photo or that it is a page of text.

    A fully convolutional network of 10,000 weights gives each cell of 8 x 8 pixels a logit. It was
    trained on photos of products, half of them with text drawn over them (`python -m
    devtools.text_gate`), so it distinguishes a banner from a printed shirt or a shelf. It takes
    less than a millisecond. Thread-safe.

    Args:
        image: picture of any size, gray or RGB.

    Raises:
        cv2.error: the picture has no pixels.
    """
    gray = fix_short_side(image, SHORT_SIDE).astype(np.float32) / 255 - 0.5
    cells = _session().run(None, {"grey": gray[None, None]})[0].ravel()
    count = min(CELLS, cells.size)
    logit = np.partition(cells, -count)[-count:].mean()
    return float(1 / (1 + np.exp(-logit)))


@cache
def _session() -> "onnxruntime.InferenceSession":
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the callers' thread pool already uses all cores
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(WEIGHTS, options, providers=["CPUExecutionProvider"])
