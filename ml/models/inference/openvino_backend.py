"""The backend `openvino`: scores on the CPU, on whichever device torch computes."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import openvino as ov
import torch
from openvino import properties
from openvino.properties import hint

from ml.core.computation import NumberType
from ml.core.errors import ComputationUnavailable
from ml.models.checkpoint import QuantizedNetwork
from ml.models.inference.backend import Logits, Pixels, fill_batch
from ml.models.inference.openvino_model import build_model
from ml.vision.images.preprocess import Preprocessing

__all__ = ["OpenVinoBackend", "build_model", "computes_bfloat16", "read_model"]

# For int8: of what the graph does not compute in int8.
_PRECISIONS = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16, "int8": ov.Type.f32}


class OpenVinoBackend:
    """A network, compiled for the batch size of its graph.

    Int8 variants of earlier releases have no features: then there are none of them.
    """

    ahead = 0

    def __init__(
        self, graph: ov.Model, *, number_type: NumberType, with_features: bool = False
    ) -> None:
        precision = _PRECISIONS[number_type]
        try:
            compiled = _core().compile_model(
                graph,
                "CPU",
                {
                    # With one request, the throughput hint would leave half of the cores idle.
                    hint.performance_mode: hint.PerformanceMode.LATENCY,
                    hint.inference_precision: precision,
                    # Decode threads and other shards share these cores.
                    hint.enable_cpu_pinning: False,
                    properties.inference_num_threads: torch.get_num_threads(),
                },
            )
        except RuntimeError as error:
            raise ComputationUnavailable(f"OpenVINO cannot compile the network: {error}") from error
        if compiled.get_property(hint.inference_precision) != precision:
            raise ComputationUnavailable(f"this CPU does not compute in {number_type}")
        self._request = compiled.create_infer_request()
        self._outputs = range(len(compiled.outputs) if with_features else 1)
        self._batch: Pixels = np.zeros(tuple(graph.input(0).shape), dtype=np.uint8)

    def submit(self, photos: Sequence[Pixels]) -> Callable[[], Logits]:
        """As `InferenceBackend.submit`: computes at once."""
        fill_batch(self._batch, photos)
        logits = self.logits(self._batch)[: len(photos)]
        return lambda: logits

    def logits(self, batch: Pixels) -> Logits:
        """Logits (size, classes), and features, of a full batch (size, 3, crop, crop)."""
        self._request.infer([batch])
        # A copy: the next batch is written into the same tensors.
        outputs = [self._request.get_output_tensor(i).data for i in self._outputs]
        return np.concatenate(outputs, axis=1)


def read_model(network: QuantizedNetwork, spec: Preprocessing, *, batch_size: int) -> ov.Model:
    """Read a quantized network whose hashes were checked.

    Raises:
        ComputationUnavailable: this version of OpenVINO cannot read it.
    """
    try:
        graph = _core().read_model(network.graph, network.weights)
        graph.reshape([batch_size, 3, spec.crop, spec.crop])
    except RuntimeError as error:
        raise ComputationUnavailable(f"OpenVINO cannot read the int8 variant: {error}") from error
    return graph


def computes_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16."""
    return "BF16" in _core().get_property("CPU", properties.device.capabilities)


@cache
def _core() -> ov.Core:
    return ov.Core()
