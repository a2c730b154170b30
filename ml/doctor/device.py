"""Does the device that the settings ask for compute?"""

import torch

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.errors import SettingsError
from ml.inference.device import describe, resolve


def device(deployment: Deployment) -> Finding:
    """Add two numbers on it."""
    try:
        resolved = resolve(deployment.settings.device)
        torch.ones(2, device=resolved).sum().item()
    except SettingsError as error:
        return failed(
            error, do="see `nvidia-smi`; in a container, reserve the GPU and use the CUDA image"
        )
    except RuntimeError as error:  # torch's only word for a driver that does not work
        return failed(error, do="see `nvidia-smi`: driver and CUDA build do not fit together")
    return ok(describe(resolved))
