"""Initial network of a training run: the champion's weights, or pretrained ones."""

from collections.abc import Sequence

import torch

from ml.core.types import ArchitectureName
from ml.models.architectures.classifier import Classifier
from ml.models.card import PretrainedWeights
from ml.models.checkpoint import Checkpoint
from ml.models.pretrained_weights import load_champion, load_pretrained_weights


def init_network(
    classes: Sequence[str],
    *,
    seed: int,
    pretrained_weights: str,
    champion: Checkpoint | None = None,
    architecture: ArchitectureName = "resnet18",
) -> tuple[Classifier, PretrainedWeights]:
    """Build the network that training starts from, and return it with its origin.

    `classes` are in the order of the logits. `seed` is that of the weights that are not loaded.
    Without a `champion` to continue from, `pretrained_weights` is the setting, see
    `load_pretrained_weights`, and `architecture` that of the network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if champion is not None:
            return load_champion(champion, classes)
        return load_pretrained_weights(pretrained_weights, len(classes), architecture)
