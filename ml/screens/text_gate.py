"""Could text have been laid over the photo? A small network, before the costly recognition."""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from PIL import Image

from ml.screens.grey import small_grey

SHORT_SIDE = 224
STRIDE = 8  # pixels a side of one cell
CELLS = 12  # the likeliest ones, whose mean speaks for the photo: a short word
WEIGHTS = Path(__file__).with_name("text_gate.onnx")


def text_likelihood(image: Image.Image) -> float:
    """How likely text was laid over the photo, or it is a page: 0..1, and no probability.

    A fully convolutional network of 10,000 weights gives each cell of 8 x 8 pixels a logit. It was
    trained on photos of goods, half of them with text drawn over (`python -m stack.text_gate`), so
    that it tells a banner from a printed shirt or a shelf. It takes less
    than a millisecond. Safe in a pool of threads.

    Args:
        image: picture of any size, in grey or RGB.

    Raises:
        cv2.error: the picture has no pixels.
    """
    grey = small_grey(image, SHORT_SIDE).astype(np.float32) / 255 - 0.5
    cells = _session().run(None, {"grey": grey[None, None]})[0].ravel()
    count = min(CELLS, cells.size)
    logit = np.partition(cells, -count)[-count:].mean()
    return float(1 / (1 + np.exp(-logit)))


@cache
def _session() -> "onnxruntime.InferenceSession":
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the callers' pool already keeps the cores busy
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(WEIGHTS, options, providers=["CPUExecutionProvider"])
