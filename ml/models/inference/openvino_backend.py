"""The backend `openvino`: scores on the CPU, on whichever device torch computes."""

from functools import cache

import openvino as ov
import torch
from openvino import properties
from openvino.properties import hint

from ml.core.computation import NumberType
from ml.core.errors import ComputationUnavailable
from ml.models.checkpoint import Checkpoint
from ml.models.inference.backend import Logits, Pixels
from ml.models.inference.openvino_model import build_model

# Of what an int8 graph does not compute in int8.
_PRECISIONS = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16, "int8": ov.Type.f32}


class OpenVinoBackend:
    """A version's network, compiled for one batch size."""

    def __init__(self, checkpoint: Checkpoint, *, batch_size: int, number_type: NumberType) -> None:
        model = load_graph(checkpoint, batch_size=batch_size, number_type=number_type)
        wanted = _PRECISIONS[number_type]
        try:
            self._compiled = _core().compile_model(
                model,
                "CPU",
                {
                    # With one request, the throughput hint would leave half of the cores idle.
                    hint.performance_mode: hint.PerformanceMode.LATENCY,
                    hint.inference_precision: wanted,
                    # Decode threads and other shards share these cores.
                    hint.enable_cpu_pinning: False,
                    properties.inference_num_threads: torch.get_num_threads(),
                },
            )
        except RuntimeError as error:
            raise ComputationUnavailable(f"OpenVINO cannot compile the network: {error}") from error
        if self._compiled.get_property(hint.inference_precision) != wanted:
            raise ComputationUnavailable(f"this CPU does not compute in {number_type}")
        self._request = self._compiled.create_infer_request()

    def logits(self, batch: Pixels) -> Logits:
        """As `InferenceBackend.logits`."""
        self._request.infer([batch])
        # A copy: the next batch is written into the same tensor.
        logits: Logits = self._request.get_output_tensor(0).data.copy()
        return logits


def load_graph(checkpoint: Checkpoint, *, batch_size: int, number_type: NumberType) -> ov.Model:
    """The graph of a version.

    Raises:
        ComputationUnavailable: the version has no int8 variant.
    """
    if number_type == "int8":
        raise ComputationUnavailable("this version has no int8 variant")
    spec = checkpoint.card.preprocessing
    return build_model(checkpoint.build_network(), spec, batch_size=batch_size)


def computes_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16."""
    capabilities = _core().get_property("CPU", properties.device.capabilities)
    return "BF16" in capabilities


@cache
def _core() -> ov.Core:
    return ov.Core()
