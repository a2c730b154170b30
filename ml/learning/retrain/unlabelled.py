"""A sample of the shop's unlabelled photos, from which the candidate learns by soft labels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog
import torch

from ml.core.errors import PretrainedWeightsError
from ml.core.manifest import ListedPhoto
from ml.core.settings import Settings
from ml.learning.pretraining.bucket_photos import bucket_photos
from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import restore_network
from ml.models.distillation.distill import UNLABELED
from ml.models.imagenet_weights import EFFICIENTNET_LITE0, IMAGENET_CLASSES
from ml.models.training.cross_fit_job import CrossFitJob, InitialNetwork, fit_start
from ml.models.training.dataset import Dataset, open_photos
from ml.models.training.frozen_features import read_features
from ml.models.training.head import LabelledFeatures
from ml.models.training.soft_labels import SoftLabels, TeacherFeatures
from ml.storage.connections import Connections
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import Preprocessing

log = structlog.get_logger()

Float32s = npt.NDArray[np.float32]

# Total weight of the unlabelled photos, relative to that of the labelled ones.
SHARES = (0.5, 1.0, 2.0)
_BATCH = 32


@contextmanager
def open_unlabelled(
    listed: Sequence[ListedPhoto],
    spec: Preprocessing,
    settings: Settings,
    connections: Connections,
) -> Iterator[Dataset | None]:
    """The listed photos, decoded; None if there are none.

    Photos that were deleted or replaced since are left out.
    """
    if not listed:
        yield None
        return
    with open_photos(
        bucket_photos(listed, connections.photos), [], classes=[UNLABELED], spec=spec,
        limits=decode_limits(settings), scratch=settings.data_dir / "training",
    ) as dataset:  # fmt: skip
        yield dataset if dataset.photos else None


def has_teacher() -> bool:
    """Whether the teacher is installed; a warning in the log says why not."""
    try:
        EFFICIENTNET_LITE0.load()
    except PretrainedWeightsError as error:
        log.warning("no soft labels: the teacher is unavailable", reason=str(error))
        return False
    return True


@dataclass(frozen=True)
class SoftLabelSource:
    """Unlabelled photos, and the teacher's features of them and of the labelled ones."""

    dataset: Dataset
    teacher: TeacherFeatures

    def features(self, network: Classifier, device: torch.device) -> Float32s:
        """Features (U, F) of the unlabelled photos."""
        return _read(network, self.dataset, device)


def read_teacher(job: CrossFitJob, unlabelled: Dataset) -> SoftLabelSource:
    """Compute the teacher's features of all photos, prepared as for the candidate."""
    teacher = restore_network(EFFICIENTNET_LITE0.load(), IMAGENET_CLASSES, "efficientnet_lite0")
    labelled = LabelledFeatures(_read(teacher, job.dataset, job.device), job.targets, job.weights)
    features = TeacherFeatures(
        labelled, _read(teacher, unlabelled, job.device), job.folds, job.classes, job.balanced
    )
    return SoftLabelSource(unlabelled, features)


def add_soft_labels(
    job: CrossFitJob, start: InitialNetwork, source: SoftLabelSource
) -> tuple[InitialNetwork, float]:
    """The start with the head that has the lowest loss on held-out labels; and its share.

    The share is 0 where soft labels do not help.
    """
    if start.head is None:
        return start, 0.0
    features = source.features(start.network, job.device)
    losses = {0.0: job.loss(start.head.logits)}
    best = start
    for share in SHARES:
        fitted = fit_start(
            job, start.network, start.features, SoftLabels(features, source.teacher, share)
        )
        if fitted.head is not None:
            losses[share] = job.loss(fitted.head.logits)
            if losses[share] == min(losses.values()):
                best = fitted
    log.info("soft labels compared", photos=len(features), losses=losses)
    return best, min(losses, key=lambda share: losses[share])


def _read(network: Classifier, dataset: Dataset, device: torch.device) -> Float32s:
    indices = np.arange(len(dataset.photos))
    return read_features(network, dataset, indices, device=device, batch=_BATCH)
