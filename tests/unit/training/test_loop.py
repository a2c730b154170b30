import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ml.errors import TrainingError
from ml.images.decode import DecodeLimits
from ml.images.preprocess import normalise
from ml.model.resnet18 import build
from ml.training.dataset import Dataset, open_dataset
from ml.training.loop import Parts, fit, predict
from ml.training.preset import Preset
from ml.training.progress import EpochResult
from tests.unit.training.pictures import POLICY, SPEC, tiny_preset

CPU = torch.device("cpu")


class Recorder:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int, float, float]] = []
        self.epochs: list[EpochResult] = []

    def decoded(self, done: int, total: int) -> None:
        """Not of interest here."""

    def step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Keep it."""
        self.steps.append((done, total, loss, accuracy))

    def epoch(self, result: EpochResult) -> None:
        """Keep it."""
        self.epochs.append(result)


@pytest.fixture
def dataset(data: Path, tmp_path: Path) -> Iterator[Dataset]:
    with open_dataset(
        data, policy=POLICY, spec=SPEC, limits=DecodeLimits(), scratch=tmp_path
    ) as opened:
        yield opened


# Running means after each of the four batches, as measured with torch 2.15 on an x86 CPU; they
# change with whatever changes what the network is shown or how it learns from it.
_LOSSES = [0.92759, 0.94345, 0.68930, 0.56666]

PARTS = Parts(
    train=np.array([*range(16), *range(20, 36)]), validation=np.array([*range(16, 20), 36, 37])
)


def _fitted(dataset: Dataset, preset: Preset, seed: int = 0) -> tuple[nn.Module, Recorder]:
    torch.manual_seed(11)
    network, recorder = build(2), Recorder()
    history = fit(network, dataset, PARTS, preset=preset, device=CPU, seed=seed, listener=recorder)
    assert history == recorder.epochs
    return network, recorder


def _bytes(network: nn.Module) -> bytes:
    return b"".join(t.numpy().tobytes() for t in network.state_dict().values())


def test_the_first_losses_of_a_seeded_run_are_those_on_record(dataset: Dataset) -> None:
    """Order, augmentation, normalisation, loss and optimiser all show here."""
    _, recorder = _fitted(dataset, tiny_preset(epochs=1))
    assert [loss for *_, loss, _ in recorder.steps] == pytest.approx(_LOSSES, rel=2e-3)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(dataset: Dataset) -> None:
    preset = tiny_preset(epochs=1)
    first, again, other = (_bytes(_fitted(dataset, preset, seed)[0]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_network_learns_red_from_blue(dataset: Dataset) -> None:
    network, recorder = _fitted(dataset, tiny_preset(epochs=6))
    assert recorder.epochs[-1].validation_loss < 0.1
    assert recorder.epochs[-1].validation_accuracy == 1.0
    logits = predict(network, dataset, PARTS.validation, device=CPU, batch=4)
    assert logits.argmax(dim=1).tolist() == [0, 0, 0, 0, 1, 1]


def test_steps_and_epochs_are_told_in_order(dataset: Dataset) -> None:
    _, recorder = _fitted(dataset, tiny_preset(epochs=2, batch=12))  # 32 photos: 12 + 12 + 8
    assert [(done, total) for done, total, *_ in recorder.steps] == [(n, 6) for n in range(1, 7)]
    first, second = recorder.epochs
    assert [(e.number, e.epochs) for e in recorder.epochs] == [(1, 2), (2, 2)]
    assert (first.train_loss, first.train_accuracy) == recorder.steps[2][2:]
    assert (second.train_loss, second.train_accuracy) == recorder.steps[5][2:]
    assert first.learning_rate == pytest.approx(0.001 / 25)


def test_training_photos_grow_and_validation_photos_do_not(dataset: Dataset) -> None:
    cut = {"crop": "random_resized", "sizes": [32, 64], "least_area": 0.5, "flip": True}
    seen: list[tuple[bool, int]] = []
    network = build(2)
    network.register_forward_pre_hook(lambda net, x: seen.append((net.training, x[0].shape[-1])))
    fit(
        network,
        dataset,
        PARTS,
        preset=tiny_preset(augmentation=cut, batch=32),
        device=CPU,
        seed=0,
        listener=Recorder(),
    )
    assert seen == [(True, 32), (False, 32), (True, 64), (False, 32)]


def test_a_last_batch_of_one_photo_is_left_out(dataset: Dataset) -> None:
    # 32 = 31 + 1: batch norm over a single 1 x 1 map has no variance, torch would stop.
    _, recorder = _fitted(dataset, tiny_preset(epochs=1, batch=31))
    assert len(recorder.steps) == 1


def test_a_loss_that_is_no_number_stops_with_the_remedy(dataset: Dataset) -> None:
    network = build(2)
    nn.init.constant_(network.get_parameter("fc.bias"), math.nan)
    with pytest.raises(TrainingError, match="lower the learning rate of preset tiny"):
        fit(
            network,
            dataset,
            PARTS,
            preset=tiny_preset(),
            device=CPU,
            seed=0,
            listener=Recorder(),
        )


def test_predictions_are_those_of_the_prepared_photo_in_evaluation_mode(
    dataset: Dataset,
) -> None:
    torch.manual_seed(0)
    network = build(2).train()
    found = predict(network, dataset, PARTS.validation, device=CPU, batch=4)
    network.eval()
    with torch.inference_mode():
        alone = network(normalise(dataset.prepared([36]), SPEC))
    assert found.shape == (6, 2)
    assert torch.allclose(found[4], alone[0], atol=1e-5)
