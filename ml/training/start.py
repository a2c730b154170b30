"""The network that a run starts from, as its preset asks for it."""

from collections.abc import Sequence

import structlog
import torch
from torchvision.models import ResNet

from ml.model.card import StartWeights
from ml.model.checkpoint import Checkpoint
from ml.model.start_weights import load_champion, load_start_weights
from ml.training.preset import Preset

log = structlog.get_logger()


def start_network(
    preset: Preset,
    *,
    classes: Sequence[str],
    seed: int,
    start_weights: str,
    champion: Checkpoint | None,
) -> tuple[ResNet, StartWeights]:
    """Build the network and say where it comes from.

    Args:
        preset: says whether to go on from the champion.
        classes: in the order of the logits.
        seed: of whatever is not loaded.
        start_weights: the setting; see `load_start_weights`.
        champion: None where there is none, or none that is known here.

    Raises:
        StartWeightsError: the named start weights cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if preset.start == "champion" and champion is not None:
            return load_champion(champion, classes)
        if preset.start == "champion":
            log.warning(
                "NO CHAMPION TO GO ON FROM: training starts from the start weights; its few epochs "
                "at a low rate are meant for a trained network, expect a weaker model",
                preset=preset.name,
                start_weights=start_weights,
            )
        return load_start_weights(start_weights, len(classes))
