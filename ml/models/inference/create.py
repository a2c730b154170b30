"""Create the backend of a computation."""

from collections.abc import Callable
from types import ModuleType

import torch

from ml.core.computation import Computation
from ml.core.errors import ComputationUnavailable
from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import QuantizedNetwork
from ml.models.inference.backend import InferenceBackend
from ml.models.inference.torch_backend import TorchBackend
from ml.vision.images.preprocess import Preprocessing


def create_backend(
    build_network: Callable[[], Classifier],
    spec: Preprocessing,
    computation: Computation,
    *,
    int8: QuantizedNetwork | None = None,
    device: torch.device,
    batch_size: int,
    with_features: bool = False,
) -> InferenceBackend:
    """Create a backend; `device` is torch's.

    `build_network` returns a new network in evaluation mode, on the CPU; `int8` is its quantized
    form, which only that number type needs.

    Raises:
        ComputationUnavailable: this machine cannot compute so, or there is no quantized network.
    """
    number_type = computation.number_type
    if computation.backend == "torch":
        return TorchBackend(
            build_network(), spec, device=device, number_type=number_type, batch_size=batch_size,
            with_features=with_features,
        )  # fmt: skip
    openvino = _import_openvino()
    if number_type != "int8":
        graph = openvino.build_model(build_network(), spec, batch_size=batch_size)
    elif int8 is not None:
        graph = openvino.read_model(int8, spec, batch_size=batch_size)
    else:
        raise ComputationUnavailable("there is no int8 variant")
    backend: InferenceBackend = openvino.OpenVinoBackend(
        graph, number_type=number_type, with_features=with_features
    )
    return backend


def _import_openvino() -> ModuleType:
    try:
        # Not at the top: a machine that only computes with torch does not load OpenVINO.
        from ml.models.inference import openvino_backend  # noqa: PLC0415
    except ImportError as error:
        raise ComputationUnavailable(
            f"OpenVINO is not installed ({error}); install requirements.txt"
        ) from error
    return openvino_backend


def computes_bfloat16() -> bool:
    """Whether OpenVINO is installed and this CPU has instructions for bfloat16.

    Without them OpenVINO emulates it, more slowly than it computes in float32.
    """
    try:
        return bool(_import_openvino().computes_bfloat16())
    except ComputationUnavailable:
        return False
