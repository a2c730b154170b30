import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs
from torch import nn

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.checkpoint import build_network
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.dataset import Dataset
from ml.models.training.preset import Preset
from ml.models.training.trainer import Splits, TrainJob, fit, predict
from ml.vision.images.preprocess import normalize
from tests.unit.models.training.pictures import SPEC, tiny_preset

pytestmark = pytest.mark.usefixtures("tiny_network")

CPU = torch.device("cpu")


class Recorder:
    """Records all notifications."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int, float, float]] = []
        self.epochs: list[EpochResult] = []

    def on_decoded(self, done: int, total: int) -> None:
        """Ignore it."""

    def on_step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Record it."""
        self.steps.append((done, total, loss, accuracy))

    def on_epoch(self, result: EpochResult) -> None:
        """Record it."""
        self.epochs.append(result)


# Running means after each of the four batches, measured with torch 2.15 on an x86 CPU; they change
# with every change of the network's input or of the optimization.
_LOSSES = [0.44907, 0.56463, 0.61519, 0.57492]

SPLITS = Splits(
    train=np.array([*range(16), *range(20, 36)]), validation=np.array([*range(16, 20), 36, 37])
)


def _job(dataset: Dataset, preset: Preset, **changes: object) -> TrainJob:
    torch.manual_seed(11)
    job = TrainJob(build_network(2), dataset, SPLITS, preset, CPU, seed=0, listener=Recorder())
    return replace(job, **changes)  # type: ignore[arg-type]


def _fitted(dataset: Dataset, preset: Preset, **changes: object) -> tuple[nn.Module, Recorder]:
    recorder = Recorder()
    job = _job(dataset, preset, listener=recorder, **changes)
    network = job.network
    history = fit(job).history
    assert history == recorder.epochs
    return network, recorder


def _bytes(network: nn.Module) -> bytes:
    return b"".join(t.numpy().tobytes() for t in network.state_dict().values())


def test_fit_first_losses_of_a_seeded_run_equal_the_recorded_ones(dataset: Dataset) -> None:
    """Depends on order, augmentation, normalization, loss and optimizer."""
    _, recorder = _fitted(dataset, tiny_preset(epochs=1))
    assert [loss for *_, loss, _ in recorder.steps] == pytest.approx(_LOSSES, rel=2e-3)


def test_fit_weights_are_determined_by_the_seed(dataset: Dataset) -> None:
    preset = tiny_preset(epochs=1)
    first, again, other = (_bytes(_fitted(dataset, preset, seed=seed)[0]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_fit_learns_to_separate_red_from_blue(dataset: Dataset) -> None:
    network, recorder = _fitted(dataset, tiny_preset(epochs=20))
    assert recorder.epochs[-1].validation_loss < 0.1
    assert recorder.epochs[-1].validation_accuracy == 1.0
    logits = predict(network, dataset, SPLITS.validation, device=CPU, batch=4)
    assert logits.argmax(dim=1).tolist() == [0, 0, 0, 0, 1, 1]


def test_fit_notifies_the_listener_of_steps_and_epochs_in_order(dataset: Dataset) -> None:
    _, recorder = _fitted(dataset, tiny_preset(epochs=2, batch=12))  # 32 photos: 12 + 12 + 8
    assert [(done, total) for done, total, *_ in recorder.steps] == [(n, 6) for n in range(1, 7)]
    first, second = recorder.epochs
    assert [(e.number, e.epochs) for e in recorder.epochs] == [(1, 2), (2, 2)]
    assert (first.train_loss, first.train_accuracy) == recorder.steps[2][2:]
    assert (second.train_loss, second.train_accuracy) == recorder.steps[5][2:]
    assert first.learning_rate == pytest.approx(0.001 / 25)


def test_fit_increases_the_crop_size_of_training_photos_only(dataset: Dataset) -> None:
    cut = {"crop": "random_resized", "sizes": [32, 64], "min_area": 0.5, "flip": True}
    seen: list[tuple[bool, int]] = []
    job = _job(dataset, tiny_preset(augmentation=cut, batch=32))
    job.network.register_forward_pre_hook(
        lambda net, x: seen.append((net.training, x[0].shape[-1]))
    )
    fit(job)
    assert seen == [(True, 32), (False, 32), (True, 64), (False, 32)]


def test_fit_drops_a_last_batch_of_one_photo(dataset: Dataset) -> None:
    # 32 = 31 + 1: batch norm over a single 1 x 1 map has no variance, torch would stop.
    _, recorder = _fitted(dataset, tiny_preset(epochs=1, batch=31))
    assert len(recorder.steps) == 1


def test_fit_stops_at_a_loss_that_is_not_finite_and_names_the_fix(dataset: Dataset) -> None:
    job = _job(dataset, tiny_preset())
    nn.init.constant_(job.network.get_parameter("fc.bias"), math.nan)
    with pytest.raises(TrainingError, match="lower the learning rate of preset tiny"):
        fit(job)


def test_predict_uses_prepared_photos_in_evaluation_mode(
    dataset: Dataset,
) -> None:
    torch.manual_seed(0)
    network = build_network(2).train()
    actual = predict(network, dataset, SPLITS.validation, device=CPU, batch=4)
    network.eval()
    with torch.inference_mode():
        alone = network(normalize(dataset.load_prepared([36]), SPEC))
    assert actual.shape == (6, 2)
    assert torch.allclose(actual[4], alone[0], atol=1e-5)


class Killed(Exception):
    """Stands for a kill of the run."""


class KillingListener(Recorder):
    """Ends the run after an epoch."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def on_epoch(self, result: EpochResult) -> None:
        """Record it, or end the run."""
        super().on_epoch(result)
        if result.number == self.after:
            raise Killed


class MemoryBackend:
    """Keeps the checkpoint's bytes in memory."""

    def __init__(self) -> None:
        self.data: bytes | None = None

    def read(self) -> bytes | None:
        """The bytes."""
        return self.data

    def write(self, data: bytes) -> None:
        """Replace them."""
        self.data = data

    def delete(self) -> None:
        """Forget them."""
        self.data = None


_SGD = {"kind": "sgd", "lr": 0.05, "momentum": 0.9}
_STEP = {"kind": "step", "step_size": 1, "gamma": 0.5}


@pytest.mark.parametrize(
    ("changes", "weighted"),
    [
        ({}, False),
        ({"optimizer": _SGD, "schedule": _STEP}, False),
        ({"optimizer": {**_SGD, "momentum": 0.0}, "schedule": _STEP}, False),
        ({"early_stopping": {"patience": 3}}, True),
        ({"averaged_over": 0.5}, False),
    ],
    ids=["adamw-one_cycle", "sgd-step", "sgd-without-momentum", "early-stopping-weighted", "mean"],
)
def test_fit_resumed_after_a_kill_gives_the_bytes_of_an_uninterrupted_run(
    dataset: Dataset, changes: dict[str, object], weighted: bool
) -> None:
    preset = tiny_preset(epochs=3, batch=16, **changes)
    splits = replace(SPLITS, weights=np.linspace(1, 3, len(SPLITS.train)) if weighted else None)
    complete, uninterrupted = _fitted(dataset, preset, splits=splits)

    checkpoints = Checkpoints(MemoryBackend())
    with pytest.raises(Killed):
        fit(
            _job(
                dataset,
                preset,
                splits=splits,
                listener=KillingListener(after=1),
                checkpoints=checkpoints,
            )
        )
    recorder = Recorder()
    job = _job(dataset, preset, splits=splits, listener=recorder, checkpoints=checkpoints)
    nn.init.zeros_(job.network.get_parameter("fc.weight"))  # all must come from the checkpoint
    with capture_logs() as logs:
        history = fit(job).history
    assert {"event": "training resumes", "log_level": "info", "epochs_done": 1} in logs
    assert [e.number for e in recorder.epochs] == [2, 3]
    assert [_without_seconds(e) for e in history] == [
        _without_seconds(e) for e in uninterrupted.epochs
    ]
    assert _bytes(job.network) == _bytes(complete)


def _without_seconds(result: EpochResult) -> EpochResult:
    return replace(result, seconds=0.0)


def test_fit_does_not_repeat_a_finished_run(dataset: Dataset) -> None:
    checkpoints = Checkpoints(MemoryBackend())
    network, _ = _fitted(dataset, tiny_preset(epochs=1), checkpoints=checkpoints)
    job = _job(
        dataset,
        tiny_preset(epochs=1),
        checkpoints=checkpoints,
        seed=99,
        listener=KillingListener(1),
    )
    assert len(fit(job).history) == 1
    assert _bytes(job.network) == _bytes(network)
    assert not job.network.training


class DegradingListener:
    """A listener that damages the network after an epoch, so that validation gets worse."""

    def __init__(self, network: nn.Module, after: int) -> None:
        self.network, self.after = network, after
        self.before: list[bytes] = []

    def on_decoded(self, done: int, total: int) -> None:
        """Ignore it."""

    def on_step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Ignore it."""

    def on_epoch(self, result: EpochResult) -> None:
        """Record the weights, then invert the head."""
        self.before.append(_bytes(self.network))
        if result.number >= self.after:
            with torch.no_grad():
                self.network.get_parameter("fc.weight").mul_(-20)


def test_fit_with_early_stopping_keeps_the_weights_of_the_best_epoch(dataset: Dataset) -> None:
    preset = tiny_preset(epochs=9, batch=16, early_stopping={"patience": 2})
    job = _job(dataset, preset)
    degrading = DegradingListener(job.network, after=2)
    history = fit(replace(job, listener=degrading)).history
    losses = [e.validation_loss for e in history]
    best = losses.index(min(losses))
    assert len(history) == best + 3 < 9
    assert _bytes(job.network) == degrading.before[best]
    assert not job.network.training


class BiasingListener(Recorder):
    """Makes the network predict one class for every photo."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def on_step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Set the bias of the head."""
        super().on_step(done, total, loss, accuracy)
        with torch.no_grad():
            self.network.get_parameter("fc.bias").copy_(torch.tensor([60.0, -60.0]))


def test_fit_keeps_a_best_epoch_from_before_a_kill(dataset: Dataset) -> None:
    preset = tiny_preset(epochs=9, batch=16, early_stopping={"patience": 2})
    checkpoints = Checkpoints(MemoryBackend())
    first = _job(dataset, preset, listener=KillingListener(after=1), checkpoints=checkpoints)
    with pytest.raises(Killed):
        fit(first)
    job = _job(dataset, preset, checkpoints=checkpoints)
    assert len(fit(replace(job, listener=BiasingListener(job.network))).history) == 3
    assert _bytes(job.network) == _bytes(first.network)


def test_fit_without_early_stopping_keeps_the_weights_of_the_last_epoch(dataset: Dataset) -> None:
    job = _job(dataset, tiny_preset(epochs=4, batch=16))
    degrading = DegradingListener(job.network, after=2)
    history = fit(replace(job, listener=degrading)).history
    assert len(history) == 4
    assert min(history, key=lambda e: e.validation_loss).number < 4
    assert (
        job.network.get_parameter("fc.weight").abs().max() > 5
    )  # the listener damages them after the last epoch, too


class WeightRecorder(Recorder):
    """Records a copy of the weights after each batch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seen: list[dict[str, torch.Tensor]] = []

    def on_step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Record them."""
        super().on_step(done, total, loss, accuracy)
        self.seen.append({n: t.clone() for n, t in self.network.state_dict().items()})


def test_fit_with_averaging_evaluates_and_keeps_the_moving_average(dataset: Dataset) -> None:
    job = _job(dataset, tiny_preset(epochs=2, batch=16, averaged_over=0.5))
    weight_recorder = WeightRecorder(job.network)
    history = fit(replace(job, listener=weight_recorder)).history
    mean, *later = weight_recorder.seen
    for weights in later:  # 4 batches in all, so over 2 of them: each takes half
        mean = {n: (t + weights[n]) / 2 for n, t in mean.items()}
    kept = job.network.state_dict()
    for name in ("conv1.weight", "bn1.running_var", "fc.weight"):
        assert torch.allclose(kept[name], mean[name], atol=1e-6)
        assert not torch.allclose(kept[name], weight_recorder.seen[-1][name], atol=1e-6)
    logits = predict(job.network, dataset, SPLITS.validation, device=CPU, batch=16)
    loss = nn.functional.cross_entropy(logits, dataset.targets[SPLITS.validation])
    assert history[-1].validation_loss == pytest.approx(float(loss), abs=1e-5)


def test_fit_without_epochs_does_not_change_the_network(dataset: Dataset) -> None:
    job = _job(dataset, tiny_preset(epochs=0, head="fitted"))
    before = _bytes(job.network)
    assert fit(job).history == []
    assert _bytes(job.network) == before
    assert not job.network.training


class CountingDataset:
    """Delegates to a dataset and counts the requests per photo."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.requests: Counter[int] = Counter()

    def __getattr__(self, name: str) -> object:
        return getattr(self._dataset, name)

    def load(self, index: int) -> torch.Tensor:
        """Count it."""
        self.requests[index] += 1
        return self._dataset.load(index)


def _count_requests(dataset: Dataset, weights: list[float] | None, epochs: int) -> Counter[int]:
    counting = CountingDataset(dataset)
    splits = replace(SPLITS, weights=None if weights is None else np.array(weights))
    fit(replace(_job(dataset, tiny_preset(epochs=epochs), splits=splits), dataset=counting))  # type: ignore[arg-type]  # stands in for it
    return counting.requests


def test_fit_draws_heavier_photos_more_often_in_epochs_of_equal_length(
    dataset: Dataset,
) -> None:
    requests = _count_requests(dataset, [8.0] * 4 + [0.5] * 28, epochs=6)
    assert requests.total() == 6 * 32
    heavy = sum(requests[i] for i in SPLITS.train[:4])
    assert heavy / requests.total() == pytest.approx(32 / 46, abs=0.12)  # 3.6 standard deviations


def test_fit_with_equal_weights_equals_fit_without_weights(dataset: Dataset) -> None:
    requests = _count_requests(dataset, [4.0] * 32, epochs=1)
    assert set(requests.values()) == {1}
    splits = replace(SPLITS, weights=np.full(32, 4.0))
    plain, equal = (
        _bytes(_fitted(dataset, tiny_preset(epochs=1), splits=p)[0]) for p in (SPLITS, splits)
    )
    assert plain == equal


def test_fit_returns_the_logits_of_the_validation_photos_after_each_epoch(dataset: Dataset) -> None:
    job = _job(dataset, tiny_preset(epochs=2))
    result = fit(job)
    assert [logits.shape for logits in result.validation_logits] == [(6, 2)] * 2
    logits = predict(job.network, dataset, SPLITS.validation, device=CPU, batch=8)
    assert torch.equal(result.validation_logits[-1], logits)


def test_fit_with_a_known_validation_runs_its_epochs_of_the_whole_schedule(
    dataset: Dataset,
) -> None:
    whole, part = (_job(dataset, tiny_preset(epochs=3)) for _ in range(2))
    known = [(0.5, 0.75), (0.25, 1.0)]
    history = fit(replace(part, known_validation=known)).history
    expected = fit(whole).history[:2]
    assert [e.train_loss for e in history] == [e.train_loss for e in expected]
    assert [e.learning_rate for e in history] == [e.learning_rate for e in expected]
    assert [(e.validation_loss, e.validation_accuracy) for e in history] == known
