import pytest
import torch
from torch import nn

from ml.training.optimiser import Schedule, build_loss, build_optimiser, uses_bf16
from ml.training.preset import AdamW, Loss, Preset, Sgd, load_preset
from tests.unit.training.pictures import tiny_preset


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def _rates(preset: Preset, batches: int) -> list[float]:
    """Learning rate of every batch of the run."""
    optimiser = build_optimiser(_network(), preset.optimiser)
    schedule = Schedule(optimiser, preset, batches)
    rates = []
    for _ in range(preset.epochs):
        for _ in range(batches):
            optimiser.step()
            rates.append(schedule.rate)
            assert optimiser.param_groups[0]["lr"] == schedule.rate
            schedule.after_batch()
        schedule.after_epoch()
    return rates


def test_the_articles_optimiser_is_sgd_with_its_rate_and_momentum() -> None:
    optimiser = build_optimiser(_network(), load_preset("article").optimiser)
    assert isinstance(optimiser, torch.optim.SGD)
    for group in optimiser.param_groups:
        assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.001, 0.9, 0.0)
        assert not group["nesterov"]


def test_weight_decay_spares_biases_and_batch_norm() -> None:
    recipe = AdamW(kind="adamw", lr=0.01, weight_decay=0.1)
    decayed, spared = build_optimiser(_network(), recipe).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 4), (2, 4)]
    assert len(spared["params"]) == 4


def test_one_step_of_sgd_is_as_written() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    recipe = Sgd(kind="sgd", lr=0.5, momentum=0.9, weight_decay=0.1)
    optimiser = build_optimiser(network, recipe)
    network.weight.grad = torch.full((1, 1), 1.0)
    optimiser.step()
    # gradient 1 + decay 0.1 * 2 = 1.2; 2 - 0.5 * 1.2 = 1.4
    assert network.weight.item() == pytest.approx(1.4)


def test_the_articles_rate_falls_to_a_tenth_every_seven_epochs() -> None:
    rates = _rates(load_preset("article"), batches=2)
    assert rates == pytest.approx([0.001] * 14 + [0.0001] * 14 + [0.00001] * 2)


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing() -> None:
    rates = _rates(tiny_preset(epochs=4), batches=25)
    assert len(rates) == 100
    assert rates[0] == pytest.approx(0.001 / 25)  # torch's div_factor
    assert max(rates) == pytest.approx(0.001, rel=0.01)
    assert 25 <= rates.index(max(rates)) <= 31  # 0.3 of 100 batches
    assert rates[-1] < 1e-6


def test_balanced_weights_make_the_classes_count_the_same() -> None:
    targets = torch.tensor([0] * 6 + [1] * 2)
    recipe = Loss(class_weights="balanced")
    weight = build_loss(recipe, targets, 2).weight
    assert weight is not None
    assert weight.tolist() == pytest.approx([8 / (2 * 6), 8 / (2 * 2)])
    assert build_loss(Loss(class_weights="none"), targets, 2).weight is None


def test_balanced_weights_follow_how_often_photos_are_drawn() -> None:
    targets, odds = torch.tensor([0, 0, 1]), torch.tensor([1.0, 2.0, 9.0], dtype=torch.float64)
    weight = build_loss(Loss(class_weights="balanced"), targets, 2, odds).weight
    assert weight is not None
    assert weight.dtype == torch.float32
    assert weight.tolist() == pytest.approx([12 / (2 * 3), 12 / (2 * 9)])


def test_label_smoothing_reaches_the_loss() -> None:
    recipe = Loss(class_weights="none", label_smoothing=0.1)
    assert build_loss(recipe, torch.tensor([0, 1]), 2).label_smoothing == 0.1


def test_bf16_is_used_where_asked_for_and_computed_by_the_hardware() -> None:
    cpu = torch.device("cpu")
    hardware = bool(torch.cpu.get_capabilities().get("amx_bf16"))
    assert uses_bf16(tiny_preset(precision="bf16"), cpu) == hardware
    assert not uses_bf16(tiny_preset(precision="fp32"), cpu)
