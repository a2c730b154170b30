"""Features of a dataset's photos by a network that is not trained."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import move_network
from ml.models.features import FeatureCache, Floats, trunk_hash
from ml.models.training.dataset import Dataset
from ml.models.training.trainer import predict

Ints = npt.NDArray[np.int64]


def read_features(
    network: Classifier,
    dataset: Dataset,
    indices: Ints,
    *,
    device: torch.device,
    batch: int,
    cache: FeatureCache | None = None,
) -> Floats:
    """Features (len(indices), F), fp32, of photos prepared as in the nightly run."""

    def compute(rows: Ints) -> Floats:
        trunk = _Trunk(move_network(network, device))
        found = predict(trunk, dataset, indices[rows], device=device, batch=batch)
        features: Floats = found.numpy()
        return features

    if cache is None:
        return compute(np.arange(len(indices)))
    hashes = dataset.content_hashes
    return cache.get_or_compute(
        trunk_hash(network, dataset.spec), [hashes[i] for i in indices], compute
    )


class _Trunk(nn.Module):
    """A network without its head."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self._network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, F)."""
        return self._network.features(images)
