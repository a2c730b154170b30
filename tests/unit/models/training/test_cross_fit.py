"""Cross-fitting on small pictures: what is held out, how many epochs, resumption."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import build_network
from ml.models.training import held_out_parts
from ml.models.training.checkpoint import Checkpoints, checkpoint_file
from ml.models.training.cross_fit import cross_fit
from ml.models.training.cross_fit_job import (
    CrossFitJob,
    InitialNetwork,
    fit_start,
    read_start_features,
)
from ml.models.training.dataset import Dataset
from ml.models.training.folds import assign_folds
from ml.models.training.held_out_parts import PARTS
from ml.models.training.progress import LogListener
from ml.models.training.trainer import FitResult, TrainJob, predict
from tests.unit.models.training.pictures import tiny_preset

pytestmark = pytest.mark.usefixtures("tiny_network")

CPU = torch.device("cpu")
EVERYTHING = np.arange(40)


def _job(dataset: Dataset, **changes: object) -> CrossFitJob:
    photos = len(dataset.photos)
    job = CrossFitJob(
        dataset=dataset,
        folds=assign_folds(dataset.labels, dataset.categories, dataset.groups, seed=0),
        weights=np.ones(photos),
        comparable=np.ones(photos, bool),
        preset=tiny_preset(head="fitted"),
        device=CPU,
        seed=0,
        listener=LogListener(),
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def _network() -> Classifier:
    torch.manual_seed(3)
    return build_network(2)


def _start(job: CrossFitJob, *, pretrained: bool) -> InitialNetwork:
    network = _network()
    return fit_start(job, network, read_start_features(job, network, pretrained=pretrained))


def _state(network: Classifier) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def _same(first: Classifier, second: Classifier) -> bool:
    pairs = zip(_state(first), _state(second), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_linear_probe_is_the_head_of_all_photos_with_logits_of_other_folds(
    dataset: Dataset,
) -> None:
    job = _job(dataset, preset=tiny_preset(head="fitted", epochs=0))
    start = _start(job, pretrained=True)
    fitted = cross_fit(job, start)
    assert start.head is not None
    assert (fitted.history, list(fitted.losses)) == ([], [0])
    assert fitted.logits == pytest.approx(start.head.logits)
    logits = predict(fitted.network, dataset, EVERYTHING, device=CPU, batch=8).numpy()
    expected = start.head.head.logits(start.features)  # type: ignore[arg-type]  # it has some
    assert logits == pytest.approx(expected, abs=1e-3)


def test_photo_is_predicted_by_a_network_that_was_not_trained_on_it(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[set[int]] = []
    validated: list[set[int]] = []
    fit = held_out_parts.fit

    def record(job: TrainJob) -> FitResult:
        trained.append(set(job.splits.train.tolist()))
        validated.append(set(job.splits.validation.tolist()))
        return fit(job)

    monkeypatch.setattr(held_out_parts, "fit", record)
    job = _job(dataset, preset=tiny_preset(epochs=1))
    fitted = cross_fit(job, _start(job, pretrained=False))
    assert len(trained) == PARTS
    assert set.union(*validated) == set(EVERYTHING.tolist())
    groups = np.array(dataset.groups)
    for seen, held_out in zip(trained, validated, strict=True):
        assert not set(groups[list(seen)]) & set(groups[list(held_out)])
    assert list(fitted.losses) == [1]
    assert fitted.logits.shape == (40, 2)


def test_number_of_epochs_is_that_with_the_lowest_loss(dataset: Dataset) -> None:
    job = _job(dataset, preset=tiny_preset(epochs=4))
    fitted = cross_fit(job, _start(job, pretrained=False))
    assert list(fitted.losses) == [1, 2, 3, 4]
    best = min(fitted.losses, key=lambda epochs: fitted.losses[epochs])
    assert [epoch.number for epoch in fitted.history] == list(range(1, best + 1))
    assert {epoch.epochs for epoch in fitted.history} == {4}
    assert [epoch.validation_loss for epoch in fitted.history] == list(fitted.losses.values())[
        :best
    ]


def test_epochs_that_do_not_help_are_not_run_for_the_other_parts(dataset: Dataset) -> None:
    preset = tiny_preset(
        head="fitted", epochs=1, optimizer={"kind": "adamw", "lr": 5.0, "weight_decay": 0.0}
    )
    job = _job(dataset, preset=preset)
    start = _start(job, pretrained=True)
    fitted = cross_fit(job, start)
    assert list(fitted.losses) == [0]
    assert fitted.history == []
    assert fitted.logits == pytest.approx(start.head.logits)  # type: ignore[union-attr]  # it has one


def test_photo_of_weight_zero_is_predicted_but_not_trained_on(dataset: Dataset) -> None:
    weights = np.where(EVERYTHING == 7, 0.0, 1.0)
    job = _job(dataset, weights=weights, preset=tiny_preset(epochs=1))
    fitted = cross_fit(job, _start(job, pretrained=False))
    assert 7 not in job.trained
    assert len(job.trained) == 39
    assert np.isfinite(fitted.logits[7]).all()


def test_only_comparable_photos_choose_the_epochs(dataset: Dataset) -> None:
    job = _job(dataset, comparable=EVERYTHING % 2 == 0)
    logits = np.stack([-np.ones(40), np.ones(40)], axis=1) * (2 * job.targets[:, None] - 1)
    changed = np.where(job.comparable[:, None], logits, -logits)
    assert job.loss(changed) == job.loss(logits)
    assert job.accuracy(changed) == 1.0


class KilledError(Exception):
    """Stands for a kill of the run."""


class KillingListener(LogListener):
    """Ends the run after a number of epochs, of all its trainings."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def on_epoch(self, result: EpochResult) -> None:
        """Count it."""
        super().on_epoch(result)
        self.left -= 1
        if not self.left:
            raise KilledError


@pytest.mark.parametrize("after", [1, 2, 3, 5, 7])
def test_killed_run_resumes_to_the_same_network_and_logits(
    dataset: Dataset, tmp_path: Path, after: int
) -> None:
    job = _job(dataset, preset=tiny_preset(epochs=2))
    expected = cross_fit(job, _start(job, pretrained=False))
    saved = replace(
        job,
        checkpoints=lambda name: Checkpoints(checkpoint_file(tmp_path / f"{name}.safetensors")),
    )
    killed = replace(saved, listener=KillingListener(after))
    with pytest.raises(KilledError):
        cross_fit(killed, _start(killed, pretrained=False))
    resumed = cross_fit(saved, _start(saved, pretrained=False))
    assert _same(resumed.network, expected.network)
    assert np.array_equal(resumed.logits, expected.logits)
    assert [e.train_loss for e in resumed.history] == [e.train_loss for e in expected.history]


def test_nothing_to_train_is_an_error_with_a_remedy(dataset: Dataset) -> None:
    job = _job(dataset, preset=tiny_preset(head="fitted", epochs=0))
    with pytest.raises(TrainingError, match="fast_scratch"):
        _start(job, pretrained=False)
