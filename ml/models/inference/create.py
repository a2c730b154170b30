"""Create the backend of a computation."""

import torch

from ml.core.computation import Computation
from ml.core.errors import ComputationUnavailable
from ml.models.checkpoint import Checkpoint
from ml.models.inference.backend import InferenceBackend
from ml.models.inference.torch_backend import TorchBackend


def create_backend(
    checkpoint: Checkpoint, computation: Computation, *, device: torch.device, batch_size: int
) -> InferenceBackend:
    """Create a version's backend; `device` is torch's.

    Raises:
        ComputationUnavailable: this machine cannot compute so.
    """
    number_type = computation.number_type
    if computation.backend == "torch":
        return TorchBackend(checkpoint, device=device, number_type=number_type)
    try:
        # Not at the top: a machine that only computes with torch does not load OpenVINO.
        from ml.models.inference.openvino_backend import OpenVinoBackend  # noqa: PLC0415
    except ImportError as error:
        raise ComputationUnavailable(
            f"OpenVINO is not installed ({error}); install requirements.txt"
        ) from error
    return OpenVinoBackend(checkpoint, batch_size=batch_size, number_type=number_type)


def computes_bfloat16() -> bool:
    """Whether OpenVINO is installed and this CPU has instructions for bfloat16.

    Without them OpenVINO emulates it, more slowly than it computes in float32.
    """
    try:
        from ml.models.inference.openvino_backend import computes_bfloat16  # noqa: PLC0415 - as above
    except ImportError:
        return False
    return computes_bfloat16()
