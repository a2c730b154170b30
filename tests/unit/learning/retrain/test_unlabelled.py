"""Soft labels of unlabelled photos are taken where they lower the loss on held-out labels."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from ml.core.errors import PretrainedWeightsError
from ml.learning.retrain import unlabelled
from ml.learning.retrain.unlabelled import SHARES, SoftLabelSource, add_soft_labels, has_teacher
from ml.models.training.cross_fit_job import CrossFitJob, InitialNetwork, fit_start
from ml.models.training.dataset import Dataset
from ml.models.training.head import LabelledFeatures
from ml.models.training.preset import load_preset
from ml.models.training.progress import LogListener
from ml.models.training.soft_labels import TeacherFeatures

LABELLED, UNLABELLED = 60, 200
NETWORK = cast("Any", None)  # the features are given


def _world(*, informed: bool) -> tuple[CrossFitJob, InitialNetwork, SoftLabelSource]:
    """Features that show the class among much else, and a teacher that sees it, or nothing."""
    rng = np.random.default_rng(2)
    targets = rng.permutation(np.arange(LABELLED + UNLABELLED) % 2)
    signal = 2.0 * targets - 1 + rng.normal(0, 0.5, len(targets))
    noise = rng.normal(size=(len(targets), 30))
    features = np.column_stack([signal + rng.normal(0, 0.7, len(targets)), noise])
    teacher = np.stack([signal if informed else noise[:, 0], noise[:, 1]], axis=1)
    features, teacher = features.astype(np.float32), teacher.astype(np.float32)
    known = torch.from_numpy(targets[:LABELLED])
    dataset = SimpleNamespace(classes=("normal", "violate"), targets=known)
    job = CrossFitJob(
        cast("Dataset", dataset), np.arange(LABELLED) % 6, np.ones(LABELLED),
        np.ones(LABELLED, bool), load_preset("fast"), torch.device("cpu"), 0, LogListener(),
    )  # fmt: skip
    labelled = LabelledFeatures(teacher[:LABELLED], job.targets, job.weights)
    teacher_features = TeacherFeatures(labelled, teacher[LABELLED:], job.folds, 2, balanced=True)
    own = features[LABELLED:]
    source = SimpleNamespace(teacher=teacher_features, features=lambda _network, _device: own)
    start = fit_start(job, NETWORK, features[:LABELLED])
    return job, start, cast("SoftLabelSource", source)


def test_soft_labels_of_a_teacher_that_sees_more_are_taken() -> None:
    job, start, source = _world(informed=True)
    best, share = add_soft_labels(job, start, source)
    assert share in SHARES
    assert best.head is not None
    assert start.head is not None
    assert job.loss(best.head.logits) < job.loss(start.head.logits)
    # Where a part is held out, soft labels are added to the rest, too.
    kept = np.arange(LABELLED) % 6 < 4
    with_soft, alone = best.fit_without(job, ~kept), start.fit_without(job, ~kept)
    assert with_soft is not None
    assert alone is not None
    assert not np.allclose(with_soft.weight, alone.weight)


def test_soft_labels_of_a_teacher_that_sees_nothing_are_not_taken() -> None:
    job, start, source = _world(informed=False)
    best, share = add_soft_labels(job, start, source)
    assert (best, share) == (start, 0.0)


def test_start_without_a_head_learns_from_no_soft_labels() -> None:
    job, _, source = _world(informed=True)
    start = InitialNetwork(NETWORK)
    assert add_soft_labels(job, start, source) == (start, 0.0)


def test_missing_teacher_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise PretrainedWeightsError("not installed")

    monkeypatch.setattr(unlabelled, "EFFICIENTNET_LITE0", SimpleNamespace(load=missing))
    assert not has_teacher()
