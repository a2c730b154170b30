"""A fresh head that fits what the network sees already, before anything else is trained.

From a random head the first steps bend features that were right, to suit a head that was not: on
photos unlike the training ones that costs more than it brings. Fit the head first, then train all
(Kumar et al. 2022, arXiv:2202.10054).
"""

import numpy as np
import numpy.typing as npt
import structlog
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torchvision.models import ResNet

from ml.model.card import StartWeights
from ml.training.loop import Job, predict
from ml.training.preset import Preset

log = structlog.get_logger()

# scikit-learn's C. There are as many features as photos: a weak penalty would fit single photos.
_INVERSE_PENALTY = 0.01
_STEPS = 2000

Floats = npt.NDArray[np.float64]


def wants_fitting(preset: Preset, origin: StartWeights) -> bool:
    """Whether the preset asks for it, and the network sees something but has a fresh head."""
    return preset.head == "fitted" and origin.kind in {"imagenet", "file", "shipped"}


def fit_head(job: Job, network: ResNet) -> None:
    """Put a logistic regression on the network's features of the training photos into its head.

    The photos are seen as the night sees them, and weighted as the loss will weigh them. A class
    without a photo keeps its row of the head; with fewer than two classes nothing is done.

    Args:
        job: photos, parts, preset and device.
        network: `job.network`; its `fc` is changed in place.
    """
    targets = job.dataset.targets[job.parts.train].numpy()
    if len(np.unique(targets)) < 2:  # noqa: PLR2004 - a choice wants two
        return
    scaler = StandardScaler()
    features = scaler.fit_transform(_features(job, network))
    regression = LogisticRegression(
        C=_INVERSE_PENALTY,
        class_weight="balanced" if job.preset.loss.class_weights == "balanced" else None,
        max_iter=_STEPS,
    )
    regression.fit(features, targets, sample_weight=job.parts.weights)
    _install(network.fc, regression, scaler)
    right = float((regression.predict(features) == targets).mean())
    log.info("head fitted to the start weights' features", photos=len(targets), accuracy=right)


def _features(job: Job, network: ResNet) -> npt.NDArray[np.float32]:
    """(len(train), 512)."""
    head, network.fc = network.fc, nn.Identity()
    try:
        network.to(job.device, memory_format=torch.channels_last)
        seen: npt.NDArray[np.float32] = predict(
            network, job.dataset, job.parts.train, device=job.device, batch=job.preset.batch
        ).numpy()
    finally:
        network.fc = head
    return seen


def _install(head: nn.Linear, regression: LogisticRegression, scaler: StandardScaler) -> None:
    """The regression's rows, as if its features were not scaled."""
    rows = _rows(np.asarray(regression.coef_)) / scaler.scale_
    biases = _rows(np.asarray(regression.intercept_)[:, None])[:, 0] - rows @ scaler.mean_
    known = torch.from_numpy(regression.classes_)
    with torch.no_grad():
        head.weight[known] = torch.from_numpy(rows).to(head.weight)
        head.bias[known] = torch.from_numpy(biases).to(head.bias)


def _rows(coefficients: Floats) -> Floats:
    """One row a class: of two classes scikit-learn gives the second's advantage only."""
    if len(coefficients) > 1:
        return coefficients
    return np.concatenate([-coefficients, coefficients]) / 2
