"""Create the backend of a computation."""

import torch

from ml.core.computation import Computation
from ml.models.checkpoint import Checkpoint
from ml.models.inference.backend import InferenceBackend
from ml.models.inference.torch_backend import TorchBackend


def create_backend(
    checkpoint: Checkpoint, computation: Computation, *, device: torch.device
) -> InferenceBackend:
    """Create a version's backend on a device."""
    return TorchBackend(checkpoint, device=device, number_type=computation.number_type)
