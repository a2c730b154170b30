"""Train all layers without a part of the photos, and predict that part after each epoch."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import structlog
from structlog.contextvars import bound_contextvars

from ml.core.errors import TrainingError
from ml.models.evaluation.calibration import calibrated_loss
from ml.models.training.cross_fit_job import (
    Bools,
    CrossFitJob,
    Floats,
    InitialNetwork,
    create_training,
)
from ml.models.training.head import Head
from ml.models.training.trainer import fit

log = structlog.get_logger()

PARTS = 3  # one for every fold would take too long


def try_epochs(job: CrossFitJob, start: InitialNetwork) -> dict[int, Floats]:
    """Logits (N, C) of the photos by number of epochs, each by a network that left out its part."""
    numbers = np.unique(job.folds % PARTS).tolist()
    parts = [_Part(job, start, job.folds % PARTS == number, str(number)) for number in numbers]
    tried: dict[int, Floats] = {}
    if start.head is not None:
        tried[0] = _join(parts, [part.head_logits for part in parts])
    if not job.preset.epochs:
        return tried
    trained: list[list[Floats]] = []
    for part in parts:
        trained.append(part.train())
        if len(trained) == 1 and tried and not part.gains(tried[0], trained[0]):
            log.info("no epoch lowers the loss of the first part: only the head is trained")
            return tried
    for number, logits in enumerate(zip(*trained, strict=False), start=1):
        tried[number] = _join(parts, logits)
    return tried


def _join(parts: Sequence["_Part"], logits: Sequence[Floats]) -> Floats:
    joined = np.empty((len(parts[0].held_out), logits[0].shape[1]))
    for part, found in zip(parts, logits, strict=True):
        joined[part.held_out] = found
    return joined


@dataclass(frozen=True)
class _Part:
    """The photos `held_out` (N,) of a training on all others."""

    job: CrossFitJob
    start: InitialNetwork
    held_out: Bools
    name: str

    @cached_property
    def head(self) -> Head | None:
        """The head of the other photos."""
        return self.start.fit_without(self.job, self.held_out)

    @property
    def head_logits(self) -> Floats:
        """Of the held-out photos, by the head alone."""
        if self.head is None or self.start.features is None:
            raise TrainingError("too few photos of a class to hold some of them out: label more")
        return self.head.logits(self.start.features[self.held_out])

    def train(self) -> list[Floats]:
        """Logits of the held-out photos after each epoch of a training on the others."""
        network = deepcopy(self.start.network)
        if self.head is not None:
            self.head.copy_to(network.head)
        with bound_contextvars(held_out_part=self.name):
            result = fit(create_training(self.job, network, ~self.held_out, self.name))
        return [logits.double().numpy() for logits in result.validation_logits]

    def gains(self, head_alone: Floats, by_epoch: Sequence[Floats]) -> bool:
        """Whether an epoch lowers the loss of the held-out photos that count."""
        counted = self.held_out & self.job.comparable
        if not counted.any():
            return True  # nothing says that the other parts do not
        targets = self.job.targets[counted]
        rows = self.job.comparable[self.held_out]
        losses = [calibrated_loss(logits[rows], targets) for logits in by_epoch]
        return min(losses) < calibrated_loss(head_alone[counted], targets)
