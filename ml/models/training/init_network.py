"""Initial network of a training run: pretrained weights, and a head from a linear probe.

A random head makes the first steps distort good features to fit it, which costs accuracy on photos
unlike the training ones. So the head is fitted first and all layers are trained afterwards (Kumar
et al. 2022, arXiv:2202.10054). A preset without epochs stops after the head: a linear probe.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import structlog
import torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn

from ml.core.errors import TrainingError
from ml.core.types import ArchitectureName
from ml.models.architectures.classifier import Classifier
from ml.models.card import PretrainedWeights
from ml.models.checkpoint import Checkpoint, move_network
from ml.models.features import FeatureCache, Floats, Ints, trunk_hash
from ml.models.pretrained_weights import load_champion, load_pretrained_weights
from ml.models.training.preset import Preset
from ml.models.training.trainer import TrainJob, predict

log = structlog.get_logger()

# scikit-learn's C, from a strong penalty to a weak one in factors of the square root of 10.
INVERSE_PENALTIES = tuple(np.geomspace(1e-4, 1.0, 9).tolist())
FOLDS = 5
# For too few photos to cross-validate. There are as many features as photos: a weak penalty would
# fit single photos.
_FALLBACK_INVERSE_PENALTY = 0.01
_MAX_ITERATIONS = 2000


def init_network(
    preset: Preset,
    *,
    classes: Sequence[str],
    seed: int,
    pretrained_weights: str,
    champion: Checkpoint | None,
    architecture: ArchitectureName = "resnet18",
) -> tuple[Classifier, PretrainedWeights]:
    """Build the network that training starts from, and return it with its origin.

    `classes` are in the order of the logits. `seed` is that of the weights that are not loaded,
    `pretrained_weights` the setting, see `load_pretrained_weights`. A champion of another
    architecture is not continued from.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if preset.start == "champion" and champion is not None:
            if champion.card.architecture == architecture:
                return load_champion(champion, classes)
            log.warning(
                "the champion is of another architecture: training starts from the pretrained "
                "weights",
                champion=champion.card.architecture,
                architecture=architecture,
                pretrained_weights=pretrained_weights,
            )
        elif preset.start == "champion":
            log.warning(
                "NO CHAMPION TO CONTINUE FROM: training starts from the pretrained weights; the "
                "preset's few epochs at a low rate are meant for a trained network, expect a "
                "weaker model",
                preset=preset.name,
                pretrained_weights=pretrained_weights,
            )
        return load_pretrained_weights(pretrained_weights, len(classes), architecture)


def needs_linear_probe(preset: Preset, origin: PretrainedWeights) -> bool:
    """Whether the preset asks for a fitted head, and the network has features but a new head.

    Raises:
        TrainingError: nothing would be trained: no epochs, and no features to fit a head on.
    """
    needed = preset.head == "fitted" and origin.kind in {"imagenet", "file", "bundled"}
    if not needed and not preset.epochs:
        raise TrainingError(
            f"preset {preset.name} trains only the head on pretrained weights, and there are none: "
            "set MODERATION_PRETRAINED_WEIGHTS to auto, or use the preset fast_scratch"
        )
    return needed


def linear_probe_head(job: TrainJob, cache: FeatureCache | None = None) -> float | None:
    """Fit a logistic regression on the network's features of the training photos as its head.

    The photos are prepared as in the nightly run, and weighted as in the loss. The penalty is
    selected by cross-validation with near-duplicates in the same fold. The head is changed in
    place; a class without a photo keeps its row. Returns the regression's inverse penalty
    (scikit-learn's C), or None if there are fewer than two classes: then nothing is fitted.
    """
    targets = job.dataset.targets[job.splits.train].numpy()
    if len(np.unique(targets)) < 2:  # noqa: PLR2004 - a classifier needs two classes
        return None
    scaler = StandardScaler()
    features = scaler.fit_transform(_load_features(job, cache))
    class_weight = "balanced" if job.preset.loss.class_weights == "balanced" else None
    inverse_penalty = _select_inverse_penalty(job, features, targets, class_weight)
    regression = LogisticRegression(
        C=inverse_penalty, class_weight=class_weight, max_iter=_MAX_ITERATIONS
    )
    regression.fit(features, targets, sample_weight=job.splits.weights)
    _set_head(job.network.head, regression, scaler)
    accuracy = float((regression.predict(features) == targets).mean())
    log.info(
        "head fitted to the pretrained features",
        photos=len(targets), accuracy=round(accuracy, 4), inverse_penalty=inverse_penalty,
    )  # fmt: skip
    return inverse_penalty


def _select_inverse_penalty(
    job: TrainJob, features: Floats, targets: Ints, class_weight: str | None
) -> float:
    """The inverse penalty with the lowest mean log loss over the folds, weighted as in the fit.

    Without weights, photos of the larger class would select an overconfident head.
    """
    folds = list(_folds(job, targets))
    if len(folds) < 2:  # noqa: PLR2004 - cross-validation needs two folds
        return _FALLBACK_INVERSE_PENALTY
    search = LogisticRegressionCV(
        Cs=INVERSE_PENALTIES,
        cv=folds,
        scoring="neg_log_loss",
        max_iter=_MAX_ITERATIONS,
        l1_ratios=(0,),
        use_legacy_attributes=False,
    )
    weights = compute_sample_weight(class_weight, targets)
    if job.splits.weights is not None:
        weights = weights * job.splits.weights
    search.fit(features, targets, sample_weight=weights)
    return float(search.C_)


def _folds(job: TrainJob, targets: Ints) -> Iterator[tuple[Ints, Ints]]:
    """(fitted, held out) per fold, as many as the class with the fewest distinct photos allows."""
    groups = np.array(job.dataset.groups)[job.splits.train]
    min_distinct = min(len(np.unique(groups[targets == c])) for c in np.unique(targets))
    folds = min(FOLDS, min_distinct)
    if folds < 2:  # noqa: PLR2004 - as in `_select_inverse_penalty`
        return
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=job.seed)
    for fitted, held_out in splitter.split(targets, targets, groups):
        if len(np.unique(targets[fitted])) == len(np.unique(targets[held_out])):
            yield fitted, held_out


def _load_features(job: TrainJob, cache: FeatureCache | None) -> Floats:
    """Features of the training photos, (len(train), F)."""
    train = job.splits.train
    if cache is None:
        return _extract_features(job, train)
    hashes = job.dataset.content_hashes
    return cache.get_or_compute(
        trunk_hash(job.network, job.dataset.spec),
        [hashes[i] for i in train],
        lambda missing: _extract_features(job, train[missing]),
    )


def _extract_features(job: TrainJob, indices: Ints) -> Floats:
    trunk = _Trunk(move_network(job.network, job.device))
    found = predict(trunk, job.dataset, indices, device=job.device, batch=job.preset.batch)
    features: Floats = found.numpy()
    return features


class _Trunk(nn.Module):
    """A network without its head."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self._network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, F)."""
        return self._network.features(images)


def _set_head(head: nn.Linear, regression: LogisticRegression, scaler: StandardScaler) -> None:
    """Copy the regression into the head, with the scaling of its features folded in."""
    rows = _row_per_class(np.asarray(regression.coef_)) / scaler.scale_
    biases = _row_per_class(np.asarray(regression.intercept_)[:, None])[:, 0] - rows @ scaler.mean_
    classes = torch.from_numpy(regression.classes_)
    with torch.no_grad():
        head.weight[classes] = torch.from_numpy(rows).to(head.weight)
        head.bias[classes] = torch.from_numpy(biases).to(head.bias)


def _row_per_class(coefficients: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """One row per class: for two classes scikit-learn returns only their difference."""
    if len(coefficients) > 1:
        return coefficients
    return np.concatenate([-coefficients, coefficients]) / 2
