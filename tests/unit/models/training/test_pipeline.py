import numpy as np
import pytest
import torch

from ml.core.errors import TrainingError
from ml.models.checkpoint import build_network
from ml.models.training import pipeline
from ml.models.training.cross_fit_job import (
    CrossFitJob,
    InitialNetwork,
    fit_start,
    read_start_features,
)
from ml.models.training.dataset import Dataset
from ml.models.training.pipeline import MAX_EPOCHS, limit_epochs
from ml.models.training.progress import LogListener
from ml.models.training.trainer import Splits, TrainJob, estimate_epoch_seconds, fit
from tests.unit.models.training.pictures import tiny_preset

pytestmark = pytest.mark.usefixtures("tiny_network")

CPU = torch.device("cpu")
PLENTY = 1e6


def _job(dataset: Dataset, **changes: object) -> tuple[CrossFitJob, InitialNetwork]:
    photos = len(dataset.photos)
    job = CrossFitJob(
        dataset, np.arange(photos) % 6, np.ones(photos), np.ones(photos, bool),
        tiny_preset(**changes), CPU, 0, LogListener(),
    )  # fmt: skip
    network = build_network(2)
    return job, fit_start(job, network, read_start_features(job, network, pretrained=True))


def test_limit_epochs_never_exceeds_the_epochs_of_the_preset(dataset: Dataset) -> None:
    assert limit_epochs(*_job(dataset, epochs=3), PLENTY).preset.epochs == 3


def test_limit_epochs_gives_a_linear_probe_as_many_epochs_as_fit(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "estimate_epoch_seconds", lambda _: 2.0)
    probe = _job(dataset, epochs=0, head="fitted")
    assert limit_epochs(*probe, 41.0).preset.epochs == 6  # each takes three times as long
    assert limit_epochs(*probe, PLENTY).preset.epochs == MAX_EPOCHS
    assert limit_epochs(*probe, 0.0).preset.epochs == 0


def test_limit_epochs_fails_without_time_for_an_epoch_or_a_fitted_head(dataset: Dataset) -> None:
    with pytest.raises(TrainingError, match="linear_probe"):
        limit_epochs(*_job(dataset), 0.0)


def _training(dataset: Dataset) -> TrainJob:
    splits = Splits(np.arange(32), np.arange(32, 40))
    return TrainJob(build_network(2), dataset, splits, tiny_preset(epochs=1), CPU, 0, LogListener())


def test_estimate_epoch_seconds_does_not_change_the_network(dataset: Dataset) -> None:
    job = _training(dataset)
    before = {name: tensor.clone() for name, tensor in job.network.state_dict().items()}
    estimate_epoch_seconds(job)
    assert all(torch.equal(t, before[n]) for n, t in job.network.state_dict().items())


def test_estimate_epoch_seconds_is_near_the_duration_of_an_epoch(dataset: Dataset) -> None:
    job = _training(dataset)
    estimate = estimate_epoch_seconds(job)
    [epoch] = fit(job).history
    assert estimate / 10 < epoch.seconds < estimate * 10
