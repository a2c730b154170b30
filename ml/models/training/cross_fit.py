"""Cross-fitting: train on all photos, and predict each by networks that saw none of its fold.

A part of the photos that is held out for good is missing in training, and few photos are a poor
measure. So the head, then all layers, are also trained without some folds in turn. What they
predict for these decides how many epochs are worth training, and is what temperature and thresholds
are fitted on. The result is trained on all photos, for that many epochs.
"""

from dataclasses import dataclass

import numpy as np
import structlog

from ml.core.types import EpochResult
from ml.models.architectures.classifier import Classifier
from ml.models.training.cross_fit_job import CrossFitJob, Floats, InitialNetwork, create_training
from ml.models.training.held_out_parts import try_epochs
from ml.models.training.trainer import fit

log = structlog.get_logger()


@dataclass(frozen=True)
class CrossFitted:
    """The network after training on all photos, and out-of-fold logits (N, C) of them.

    `losses` are those of held-out photos by the numbers of epochs that were tried; `history` has
    the epochs of the result.
    """

    network: Classifier
    logits: Floats
    losses: dict[int, float]
    history: list[EpochResult]
    inverse_penalty: float | None


def cross_fit(job: CrossFitJob, start: InitialNetwork) -> CrossFitted:
    """Train from a start; see this module. The start's network is changed in place.

    Raises:
        TrainingError: the loss is not finite.
    """
    tried = try_epochs(job, start)
    losses = {epochs: job.loss(logits) for epochs, logits in tried.items()}
    chosen = min(losses, key=lambda epochs: losses[epochs])
    log.info("epochs compared", losses=losses, chosen=chosen)
    if start.head is not None:
        start.head.head.copy_to(start.network.head)
    curve = [(losses[n], job.accuracy(tried[n])) for n in range(1, chosen + 1)]
    everything = np.ones(len(job.targets), bool)
    history = fit(create_training(job, start.network, everything, "all", curve=curve)).history
    # The head alone was fitted without one fold at a time, which is less than a part.
    alone = start.head is not None and not chosen
    return CrossFitted(
        start.network,
        start.head.logits if start.head is not None and alone else tried[chosen],
        losses,
        history,
        start.head.head.inverse_penalty if start.head else None,
    )
