from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from ml.core.errors import SettingsError
from ml.models.training.preset import (
    PRESETS,
    AdamW,
    Augmentation,
    Loss,
    Preset,
    Sgd,
    build_average,
    build_loss,
    build_optimizer,
    build_schedule,
    load_preset,
    uses_bf16,
)
from tests.unit.models.training.pictures import tiny_preset

# Sections 2.2 and 3.2 of the source article, and its text: batch 32, 15-20 epochs, 20 %.
_ARTICLE = {
    "name": "article",
    "preprocessing": {
        "resize": 256,
        "crop": 224,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "interpolation": "bilinear",
    },
    "augmentation": {
        "crop": "random",
        "sizes": (224,),
        "min_area": None,
        "flip": True,
        "colour": 0.0,
    },
    "loss": {"class_weights": "none", "label_smoothing": 0.0},
    "optimizer": {"kind": "sgd", "lr": 0.001, "momentum": 0.9, "weight_decay": 0.0},
    "schedule": {"kind": "step", "step_size": 7, "gamma": 0.1},
    "batch": 32,
    "epochs": 15,
    "precision": "fp32",
    "head": "random",
    "start": "pretrained_weights",
    "early_stopping": None,
    "averaged_over": None,
}


def _changed(tmp_path: Path, **changes: object) -> str:
    raw = yaml.safe_load((PRESETS / "article.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**raw, **changes}), encoding="utf-8")
    return str(path)


def test_article_preset_equals_the_recipe_of_the_article() -> None:
    assert load_preset("article").model_dump() == _ARTICLE


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda p: p.stem)
def test_load_preset_reads_every_committed_preset(path: Path) -> None:
    assert load_preset(path.stem).name == path.stem


def test_monthly_preset_continues_from_the_champion_with_fewer_epochs_and_a_lower_rate() -> None:
    monthly, fast = load_preset("monthly"), load_preset("fast")
    assert (monthly.start, fast.start) == ("champion", "pretrained_weights")
    assert monthly.epochs < fast.epochs
    assert monthly.optimizer.lr < fast.optimizer.lr
    assert monthly.early_stopping is not None
    assert monthly.early_stopping.patience < monthly.epochs
    assert monthly.preprocessing == fast.preprocessing


def test_presets_but_the_articles_show_the_model_the_whole_photo() -> None:
    specs = {path.stem: load_preset(path.stem).preprocessing for path in PRESETS.glob("*.yaml")}
    cut = {name for name, spec in specs.items() if spec.fit == "crop" or spec.crop < spec.resize}
    assert cut == {"article"}


def test_linear_probe_preset_equals_fast_without_epochs() -> None:
    probe, fast = load_preset("linear_probe"), load_preset("fast")
    assert (probe.epochs, probe.head, fast.head) == (0, "fitted", "fitted")
    assert probe.model_copy(update={"name": "fast", "epochs": fast.epochs}) == fast


def test_load_preset_reads_a_file_at_any_path(tmp_path: Path) -> None:
    preset = load_preset(_changed(tmp_path, epochs=20))
    assert (preset.name, preset.epochs) == ("mine", 20)


def test_augmentation_size_divides_the_epochs_among_the_sizes() -> None:
    recipe = Augmentation(crop="random", sizes=(64, 64, 96, 128), flip=False)
    assert [recipe.size(e, 12) for e in range(1, 13)] == [64] * 6 + [96] * 3 + [128] * 3
    assert [recipe.size(e, 2) for e in (1, 2)] == [64, 96]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"epoch": 20}, "epoch"),
        ({"augmentation": {"crop": "random", "sizes": [224], "flip": True, "flop": 1}}, "flop"),
        ({"optimizer": {"kind": "sgd", "lr": 0.1, "momentum": 0.9, "beta": 1}}, "beta"),
        ({"batch": 1}, "batch"),
        ({"epochs": 0}, "epochs"),
        ({"augmentation": {"crop": "random", "sizes": [64, 257], "flip": True}}, "crop of 257"),
        (
            {"augmentation": {"crop": "random", "sizes": [224], "flip": True, "min_area": 0.3}},
            "required by",
        ),
        ({"augmentation": {"crop": "random_resized", "sizes": [224], "flip": True}}, "min_area"),
        ({"name": "other"}, "name"),
        ({"start": "scratch"}, "start"),
        ({"early_stopping": {"patience": 0}}, "patience"),
        ({"early_stopping": {}}, "patience"),
    ],
)
def test_load_preset_names_a_wrong_key_or_value(
    changes: dict[str, object], place: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=place):
        load_preset(_changed(tmp_path, **changes))


def test_load_preset_lists_the_known_names_for_an_unknown_one() -> None:
    with pytest.raises(SettingsError, match="article"):
        load_preset("artikle")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "\x00"])
def test_load_preset_rejects_invalid_yaml(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"p\.yaml"):
        load_preset(str(tmp_path / "p.yaml"))


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def _rates(preset: Preset, batches: int) -> list[float]:
    """Learning rate of every batch of the run."""
    optimizer = build_optimizer(_network(), preset.optimizer)
    epochs = preset.epochs
    schedule = build_schedule(optimizer, preset.schedule, epochs=epochs, batches=batches)
    rates = []
    for number in range(epochs * batches):
        if number:
            schedule.step()
        optimizer.step()
        rates.append(float(schedule.get_last_lr()[0]))
        assert optimizer.param_groups[0]["lr"] == rates[-1]
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


def test_build_schedule_of_the_article_preset_falls_to_a_tenth_every_seven_epochs() -> None:
    rates = _rates(load_preset("article"), batches=2)
    assert rates == pytest.approx([0.001] * 14 + [0.0001] * 14 + [0.00001] * 2)


def test_build_schedule_one_cycle_rises_to_the_maximum_rate_and_falls_to_zero() -> None:
    rates = _rates(tiny_preset(epochs=4), batches=25)
    assert len(rates) == 100
    assert rates[0] == pytest.approx(0.001 / 25)  # torch's div_factor
    assert max(rates) == pytest.approx(0.001, rel=0.01)
    assert 25 <= rates.index(max(rates)) <= 31  # 0.3 of 100 batches
    assert rates[-1] < 1e-6


def _batch_norm(value: float) -> nn.BatchNorm1d:
    network = nn.BatchNorm1d(3)
    with torch.no_grad():
        for tensor in (network.weight, network.running_mean):
            tensor.fill_(value)
    return network


def test_build_average_copies_the_first_state_and_then_moves_by_the_decay() -> None:
    network = _batch_norm(8.0)
    average = build_average(network, lambda states: states / 4)
    for value, expected in ((0.0, 0.0), (4.0, 3.0), (5.0, 4.0)):  # 4 * 3/4; 3 * 2/4 + 5 * 2/4
        network.load_state_dict(_batch_norm(value).state_dict())
        average.update_parameters(network)
        for tensor in (average.module.weight, average.module.running_mean):
            assert torch.allclose(tensor, torch.full((3,), expected))
        assert torch.equal(network.weight, torch.full((3,), value))


def test_build_average_continues_from_a_saved_state() -> None:
    network = _batch_norm(1.0)
    average = build_average(network, lambda _: 0.75)
    average.update_parameters(_batch_norm(0.0))
    resumed = build_average(network, lambda _: 0.75)
    resumed.load_state_dict(average.state_dict())
    resumed.update_parameters(network)
    assert torch.allclose(resumed.module.weight, torch.full((3,), 0.25))
    assert torch.equal(network.weight, torch.ones(3))


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


def test_settings_of_earlier_releases_are_ignored() -> None:
    recipe = load_preset("fast").model_dump()
    assert Preset.model_validate({**recipe, "validation_share": 0.2}) == load_preset("fast")
