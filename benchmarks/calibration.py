"""Speed of this machine, to quote with every time: `python -m benchmarks.calibration`."""

import os
import time

import torch
from torchvision.models import resnet18

BATCH, SIDE = 8, 224
SECONDS = 1.0


def images_per_second() -> float:
    """Measure ResNet18's forward passes (224 px, float32, all CPU cores) in images per second."""
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        return _measure()
    finally:
        torch.set_num_threads(threads)


def _measure() -> float:
    network = resnet18(weights=None).eval()
    images = torch.zeros(BATCH, 3, SIDE, SIDE)
    with torch.inference_mode():
        network(images)  # warm-up: the first pass prepares the kernels
        start, passes = time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS:
            network(images)
            passes += 1
        return passes * BATCH / (time.perf_counter() - start)


if __name__ == "__main__":
    print(f"ResNet18, {SIDE} px, float32, all cores: {images_per_second():.1f} images/s")
