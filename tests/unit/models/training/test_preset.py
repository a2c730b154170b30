from pathlib import Path

import pytest
import yaml

from ml.core.errors import SettingsError
from ml.models.training.preset import PRESETS, Augmentation, load_preset

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
    "validation_share": 0.2,
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
        ({"validation_share": 0.6}, "validation_share"),
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
