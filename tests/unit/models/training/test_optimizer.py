import pytest
import torch
from torch import nn

from ml.models.training.optimizer import Schedule, build_loss, build_optimizer, uses_bf16
from ml.models.training.preset import AdamW, Loss, Preset, Sgd, load_preset
from tests.unit.models.training.pictures import tiny_preset


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def _rates(preset: Preset, batches: int) -> list[float]:
    """Learning rate of every batch of the run."""
    optimizer = build_optimizer(_network(), preset.optimizer)
    schedule = Schedule(optimizer, preset, batches)
    rates = []
    for _ in range(preset.epochs):
        for _ in range(batches):
            optimizer.step()
            rates.append(schedule.rate)
            assert optimizer.param_groups[0]["lr"] == schedule.rate
            schedule.after_batch()
        schedule.after_epoch()
    return rates


def test_build_optimizer_of_the_article_preset_is_sgd_with_its_rate_and_momentum() -> None:
    optimizer = build_optimizer(_network(), load_preset("article").optimizer)
    assert isinstance(optimizer, torch.optim.SGD)
    for group in optimizer.param_groups:
        assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.001, 0.9, 0.0)
        assert not group["nesterov"]


def test_build_optimizer_excludes_biases_and_batch_norm_from_weight_decay() -> None:
    recipe = AdamW(kind="adamw", lr=0.01, weight_decay=0.1)
    decayed, spared = build_optimizer(_network(), recipe).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 4), (2, 4)]
    assert len(spared["params"]) == 4


def test_build_optimizer_sgd_step_equals_a_hand_computed_one() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    recipe = Sgd(kind="sgd", lr=0.5, momentum=0.9, weight_decay=0.1)
    optimizer = build_optimizer(network, recipe)
    network.weight.grad = torch.full((1, 1), 1.0)
    optimizer.step()
    # gradient 1 + decay 0.1 * 2 = 1.2; 2 - 0.5 * 1.2 = 1.4
    assert network.weight.item() == pytest.approx(1.4)


def test_schedule_of_the_article_preset_falls_to_a_tenth_every_seven_epochs() -> None:
    rates = _rates(load_preset("article"), batches=2)
    assert rates == pytest.approx([0.001] * 14 + [0.0001] * 14 + [0.00001] * 2)


def test_schedule_one_cycle_rises_to_the_maximum_rate_and_falls_to_zero() -> None:
    rates = _rates(tiny_preset(epochs=4), batches=25)
    assert len(rates) == 100
    assert rates[0] == pytest.approx(0.001 / 25)  # torch's div_factor
    assert max(rates) == pytest.approx(0.001, rel=0.01)
    assert 25 <= rates.index(max(rates)) <= 31  # 0.3 of 100 batches
    assert rates[-1] < 1e-6


def test_build_loss_balanced_weights_equalize_the_classes() -> None:
    targets = torch.tensor([0] * 6 + [1] * 2)
    recipe = Loss(class_weights="balanced")
    weight = build_loss(recipe, targets, 2).weight
    assert weight is not None
    assert weight.tolist() == pytest.approx([8 / (2 * 6), 8 / (2 * 2)])
    assert build_loss(Loss(class_weights="none"), targets, 2).weight is None


def test_build_loss_balances_classes_by_sampling_frequency() -> None:
    targets, sample_weights = (
        torch.tensor([0, 0, 1]),
        torch.tensor([1.0, 2.0, 9.0], dtype=torch.float64),
    )
    weight = build_loss(Loss(class_weights="balanced"), targets, 2, sample_weights).weight
    assert weight is not None
    assert weight.dtype == torch.float32
    assert weight.tolist() == pytest.approx([12 / (2 * 3), 12 / (2 * 9)])


def test_build_loss_applies_label_smoothing() -> None:
    recipe = Loss(class_weights="none", label_smoothing=0.1)
    assert build_loss(recipe, torch.tensor([0, 1]), 2).label_smoothing == 0.1


def test_uses_bf16_only_if_requested_and_supported_by_hardware() -> None:
    cpu = torch.device("cpu")
    hardware = bool(torch.cpu.get_capabilities().get("amx_bf16"))
    assert uses_bf16(tiny_preset(precision="bf16"), cpu) == hardware
    assert not uses_bf16(tiny_preset(precision="fp32"), cpu)
