"""Quantize a version's network to int8 after training, by NNCF, for the backend `openvino`."""

import logging
from collections.abc import Iterable
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import numpy.typing as npt

from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import QuantizedNetwork
from ml.vision.images.preprocess import Preprocessing

# More calibration photos change the ranges of the activations little, and cost time.
MAX_CALIBRATION_PHOTOS = 300


def quantize(
    network: Classifier, spec: Preprocessing, photos: Iterable[npt.NDArray[np.uint8]]
) -> QuantizedNetwork:
    """Quantize weights and activations; the head stays in float32, where int8 costs verdicts.

    `network` is changed. `photos` are prepared training photos, uint8 (3, crop, crop); those beyond
    MAX_CALIBRATION_PHOTOS are not read.
    """
    # Not at the top: it takes a second, and training without quantization does not need it.
    from ml.models.inference.openvino_model import build_model, serialize_model  # noqa: I001, PLC0415 - first: it stops usage data
    import nncf  # noqa: PLC0415

    logging.getLogger("nncf").setLevel(logging.WARNING)
    with redirect_stdout(StringIO()):  # its progress bars cannot be switched off
        graph = nncf.quantize(
            build_model(network, spec, batch_size=1),
            nncf.Dataset([photo[None] for photo in photos]),
            subset_size=MAX_CALIBRATION_PHOTOS,
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(types=["MatMul"]),
        )
    return serialize_model(graph)
