import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from structlog.testing import capture_logs
from torch import nn

from ml.errors import TrainingError
from ml.images.preprocess import normalise
from ml.model.resnet18 import build
from ml.training.dataset import Dataset
from ml.training.loop import Job, Parts, fit, predict
from ml.training.preset import Preset
from ml.training.progress import EpochResult
from ml.training.state import TrainingState
from tests.unit.training.pictures import SPEC, tiny_preset

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


# Running means after each of the four batches, as measured with torch 2.15 on an x86 CPU; they
# change with whatever changes what the network is shown or how it learns from it.
_LOSSES = [0.92759, 0.94345, 0.68930, 0.56666]

PARTS = Parts(
    train=np.array([*range(16), *range(20, 36)]), validation=np.array([*range(16, 20), 36, 37])
)


def _job(dataset: Dataset, preset: Preset, **changes: object) -> Job:
    torch.manual_seed(11)
    job = Job(build(2), dataset, PARTS, preset, CPU, seed=0, listener=Recorder())
    return replace(job, **changes)  # type: ignore[arg-type]


def _fitted(dataset: Dataset, preset: Preset, **changes: object) -> tuple[nn.Module, Recorder]:
    recorder = Recorder()
    job = _job(dataset, preset, listener=recorder, **changes)
    network = job.network
    history = fit(job)
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
    first, again, other = (_bytes(_fitted(dataset, preset, seed=seed)[0]) for seed in (1, 1, 2))
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
    job = _job(dataset, tiny_preset(augmentation=cut, batch=32))
    job.network.register_forward_pre_hook(
        lambda net, x: seen.append((net.training, x[0].shape[-1]))
    )
    fit(job)
    assert seen == [(True, 32), (False, 32), (True, 64), (False, 32)]


def test_a_last_batch_of_one_photo_is_left_out(dataset: Dataset) -> None:
    # 32 = 31 + 1: batch norm over a single 1 x 1 map has no variance, torch would stop.
    _, recorder = _fitted(dataset, tiny_preset(epochs=1, batch=31))
    assert len(recorder.steps) == 1


def test_a_loss_that_is_no_number_stops_with_the_remedy(dataset: Dataset) -> None:
    job = _job(dataset, tiny_preset())
    nn.init.constant_(job.network.get_parameter("fc.bias"), math.nan)
    with pytest.raises(TrainingError, match="lower the learning rate of preset tiny"):
        fit(job)


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


class Stopped(Exception):
    """Stands for whatever ends a run from outside."""


class Breaking(Recorder):
    """Ends the run when it is told of an epoch."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def epoch(self, result: EpochResult) -> None:
        """Keep it, or break."""
        super().epoch(result)
        if result.number == self.after:
            raise Stopped


class Kept:
    """Keeps the last state as bytes, as a bucket does."""

    def __init__(self) -> None:
        self.tensors = self.facts = b""

    def load(self) -> TrainingState | None:
        """The state from its bytes."""
        return TrainingState(load(self.tensors), json.loads(self.facts)) if self.facts else None

    def save(self, state: TrainingState) -> None:
        """To bytes."""
        self.tensors = save(state.tensors)
        self.facts = json.dumps(state.facts, allow_nan=False).encode()


_SGD = {"kind": "sgd", "lr": 0.05, "momentum": 0.9}
_STEP = {"kind": "step", "step_size": 1, "gamma": 0.5}


@pytest.mark.parametrize(
    ("changes", "weighted"),
    [
        ({}, False),
        ({"optimiser": _SGD, "schedule": _STEP}, False),
        ({"optimiser": {**_SGD, "momentum": 0.0}, "schedule": _STEP}, False),
        ({"early_stopping": {"patience": 3}}, True),
    ],
    ids=["adamw-one_cycle", "sgd-step", "sgd-without-momentum", "early-stopping-weighted"],
)
def test_a_run_broken_off_and_resumed_ends_as_an_unbroken_one(
    dataset: Dataset, changes: dict[str, object], weighted: bool
) -> None:
    preset = tiny_preset(epochs=3, batch=16, **changes)
    parts = replace(PARTS, weights=np.linspace(1, 3, len(PARTS.train)) if weighted else None)
    whole, told = _fitted(dataset, preset, parts=parts)

    kept = Kept()
    with pytest.raises(Stopped):
        fit(_job(dataset, preset, parts=parts, listener=Breaking(after=1), checkpoints=kept))
    recorder = Recorder()
    job = _job(dataset, preset, parts=parts, listener=recorder, checkpoints=kept)
    nn.init.zeros_(job.network.get_parameter("fc.weight"))  # all must come from the checkpoint
    with capture_logs() as logs:
        history = fit(job)
    assert {"event": "training resumes", "log_level": "info", "epochs_done": 1} in logs
    assert [e.number for e in recorder.epochs] == [2, 3]
    assert [_timeless(e) for e in history] == [_timeless(e) for e in told.epochs]
    assert _bytes(job.network) == _bytes(whole)


def _timeless(result: EpochResult) -> EpochResult:
    return replace(result, seconds=0.0)


def test_a_finished_run_is_not_run_again(dataset: Dataset) -> None:
    kept = Kept()
    network, _ = _fitted(dataset, tiny_preset(epochs=1), checkpoints=kept)
    job = _job(dataset, tiny_preset(epochs=1), checkpoints=kept, seed=99, listener=Breaking(1))
    assert len(fit(job)) == 1
    assert _bytes(job.network) == _bytes(network)
    assert not job.network.training


class Losing:
    """A listener that ruins the network after an epoch, so that validation gets worse."""

    def __init__(self, network: nn.Module, after: int) -> None:
        self.network, self.after = network, after
        self.before: list[bytes] = []

    def decoded(self, done: int, total: int) -> None:
        """Not of interest here."""

    def step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Not of interest here."""

    def epoch(self, result: EpochResult) -> None:
        """Turn the head round."""
        self.before.append(_bytes(self.network))
        if result.number >= self.after:
            with torch.no_grad():
                self.network.get_parameter("fc.weight").mul_(-20)


def test_early_stopping_ends_the_run_and_keeps_the_best_epochs_weights(dataset: Dataset) -> None:
    preset = tiny_preset(epochs=9, batch=16, early_stopping={"patience": 2})
    job = _job(dataset, preset)
    losing = Losing(job.network, after=2)
    history = fit(replace(job, listener=losing))
    losses = [e.validation_loss for e in history]
    best = losses.index(min(losses))
    assert len(history) == best + 3 < 9
    assert _bytes(job.network) == losing.before[best]
    assert not job.network.training


class Misled(Recorder):
    """Makes the network sure of one class, whatever it is shown."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Turn the bias of the head."""
        super().step(done, total, loss, accuracy)
        with torch.no_grad():
            self.network.get_parameter("fc.bias").copy_(torch.tensor([60.0, -60.0]))


def test_the_best_epoch_may_lie_before_the_kill(dataset: Dataset) -> None:
    preset = tiny_preset(epochs=9, batch=16, early_stopping={"patience": 2})
    kept = Kept()
    first = _job(dataset, preset, listener=Breaking(after=1), checkpoints=kept)
    with pytest.raises(Stopped):
        fit(first)
    job = _job(dataset, preset, checkpoints=kept)
    assert len(fit(replace(job, listener=Misled(job.network)))) == 3
    assert _bytes(job.network) == _bytes(first.network)


def test_without_early_stopping_the_last_epochs_weights_stay(dataset: Dataset) -> None:
    job = _job(dataset, tiny_preset(epochs=4, batch=16))
    losing = Losing(job.network, after=2)
    history = fit(replace(job, listener=losing))
    assert len(history) == 4
    assert min(history, key=lambda e: e.validation_loss).number < 4
    assert job.network.get_parameter("fc.weight").abs().max() > 5  # ruined once more at the end


class Counting:
    """Delegates to a dataset and counts which photos are asked for."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.asked: Counter[int] = Counter()

    def __getattr__(self, name: str) -> object:
        return getattr(self._dataset, name)

    def photo(self, index: int) -> torch.Tensor:
        """Count it."""
        self.asked[index] += 1
        return self._dataset.photo(index)


def _asked(dataset: Dataset, weights: list[float] | None, epochs: int) -> Counter[int]:
    counting = Counting(dataset)
    parts = replace(PARTS, weights=None if weights is None else np.array(weights))
    fit(replace(_job(dataset, tiny_preset(epochs=epochs), parts=parts), dataset=counting))  # type: ignore[arg-type]  # stands in for it
    return counting.asked


def test_heavier_photos_are_drawn_more_often_in_epochs_of_the_same_length(
    dataset: Dataset,
) -> None:
    asked = _asked(dataset, [8.0] * 4 + [0.5] * 28, epochs=6)
    assert asked.total() == 6 * 32
    heavy = sum(asked[i] for i in PARTS.train[:4])
    assert heavy / asked.total() == pytest.approx(32 / 46, abs=0.12)  # 3.6 standard deviations


def test_equal_weights_show_every_photo_once_as_without_weights(dataset: Dataset) -> None:
    asked = _asked(dataset, [4.0] * 32, epochs=1)
    assert set(asked.values()) == {1}
    parts = replace(PARTS, weights=np.full(32, 4.0))
    plain, equal = (
        _bytes(_fitted(dataset, tiny_preset(epochs=1), parts=p)[0]) for p in (PARTS, parts)
    )
    assert plain == equal
