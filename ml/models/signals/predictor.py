"""Run the model of a signal: by onnxruntime, on the CPU or, where its CUDA build is, on a GPU.

On a CPU, photos are computed one by one: a batch is no faster there, and no photo's scores depend
on the others.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
from scipy.special import expit, softmax

from ml.core.errors import SignalError
from ml.models.signals.card import SignalCard, SignalOutput
from ml.models.signals.onnx_file import check_file
from ml.vision.screens.signals import Pixels, Scores

_GPU_BATCH = 16
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_SLACK = 1e-3  # by which rounding may leave 0 to 1
Floats = npt.NDArray[np.float32]


class SignalPredictor:
    """A signal's model, on a GPU if there is one for it and `gpu` is set. Thread-safe.

    `threads` compute it on a CPU.

    Raises:
        SignalError: the file is not the card's, cannot be computed, or gives no probabilities.
    """

    def __init__(self, card: SignalCard, data: bytes, *, threads: int, gpu: bool = False) -> None:
        self.card = card
        takes_batches = check_file(data, card)
        on_gpu = gpu and _CUDA in onnxruntime.get_available_providers()
        self._batch_size = _GPU_BATCH if on_gpu and takes_batches else 1
        try:
            self._session = _create_session(data, [_CUDA, _CPU] if on_gpu else [_CPU], threads)
        except Exception as error:
            raise SignalError(f"onnxruntime cannot load {card.name}: {error}") from error
        self._check_scores()

    @property
    def provider(self) -> str:
        """What computes: onnxruntime's name of its provider."""
        return str(self._session.get_providers()[0])

    def scores(self, photos: Sequence[Pixels]) -> Scores:
        """The probability (N, classes) of each class on N photos, each uint8 (3, size, size)."""
        parts = [
            self._compute(np.stack(photos[start : start + self._batch_size]))
            for start in range(0, len(photos), self._batch_size)
        ]
        return np.concatenate(parts)

    def _compute(self, photos: Pixels) -> Scores:
        name = self._session.get_inputs()[0].name
        [found] = self._session.run([self.card.output.scores], {name: self._normalize(photos)})
        return _probabilities(found, self.card.output)

    def _normalize(self, photos: Pixels) -> Floats:
        spec = self.card.input
        channels = photos[:, ::-1] if spec.colors == "BGR" else photos
        mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (spec.mean, spec.std))
        values = (channels.astype(np.float32) / np.float32(spec.scale) - mean) / std
        return np.ascontiguousarray(
            values if spec.layout == "NCHW" else values.transpose(0, 2, 3, 1)
        )

    def _check_scores(self) -> None:
        """Compute two pictures, gray and noise."""
        size, names = self.card.input.size, len(self.card.output.classes)
        noise = np.random.default_rng(0).integers(0, 256, (3, size, size), dtype=np.uint8)
        try:
            scores = self.scores([np.full_like(noise, 128), noise])
        except Exception as error:
            raise SignalError(f"{self.card.name} cannot be computed: {error}") from error
        if scores.shape != (2, names):
            raise SignalError(
                f"{self.card.name} gives {scores.shape[1:]} scores, the card names {names} classes"
            )
        if not (np.isfinite(scores) & (scores >= -_SLACK) & (scores <= 1 + _SLACK)).all():
            raise SignalError(
                f"{self.card.name} gives {scores.min():.3g} to {scores.max():.3g}, which are no "
                "probabilities: name the card's `activation` (softmax or sigmoid)"
            )


def _create_session(
    data: bytes, providers: list[str], threads: int
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=providers)


def _probabilities(found: Floats, output: SignalOutput) -> Scores:
    """(N, classes) of the tensor that the card describes: of a detector, of its likeliest box."""
    is_detector = output.kind == "detector"
    if found.ndim != 2 + is_detector:
        raise SignalError(f"the output has the shape {found.shape}, which is no {output.kind}'s")
    axis = 2 if is_detector and not output.classes_first else 1
    values = np.moveaxis(found, axis, -1)[..., output.skip :].astype(np.float32)
    if output.activation != "none":
        values = softmax(values, axis=-1) if output.activation == "softmax" else expit(values)
    if is_detector:
        # Without a box nothing was found.
        values = values.max(axis=1) if values.shape[1] else np.zeros_like(values.sum(axis=1))
    return np.asarray(values, np.float32)
