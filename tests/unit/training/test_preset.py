from pathlib import Path

import pytest
import yaml

from ml.errors import SettingsError
from ml.training.preset import PRESETS, Augmentation, load_preset

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
        "least_area": None,
        "flip": True,
        "colour": 0.0,
    },
    "loss": {"class_weights": "none", "label_smoothing": 0.0},
    "optimiser": {"kind": "sgd", "lr": 0.001, "momentum": 0.9, "weight_decay": 0.0},
    "schedule": {"kind": "step", "step_size": 7, "gamma": 0.1},
    "batch": 32,
    "epochs": 15,
    "validation_share": 0.2,
    "precision": "fp32",
    "head": "random",
    "start": "start_weights",
    "early_stopping": None,
}


def _changed(tmp_path: Path, **changes: object) -> str:
    raw = yaml.safe_load((PRESETS / "article.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**raw, **changes}), encoding="utf-8")
    return str(path)


def test_article_is_the_articles_recipe_to_the_letter() -> None:
    assert load_preset("article").model_dump() == _ARTICLE


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_committed_preset_loads_by_its_name(path: Path) -> None:
    assert load_preset(path.stem).name == path.stem


def test_monthly_goes_on_from_the_champion_more_gently_than_fast() -> None:
    monthly, fast = load_preset("monthly"), load_preset("fast")
    assert (monthly.start, fast.start) == ("champion", "start_weights")
    assert monthly.epochs < fast.epochs
    assert monthly.optimiser.lr < fast.optimiser.lr
    assert monthly.early_stopping is not None
    assert monthly.early_stopping.patience < monthly.epochs
    assert monthly.preprocessing == fast.preprocessing


def test_a_preset_may_lie_anywhere(tmp_path: Path) -> None:
    preset = load_preset(_changed(tmp_path, epochs=20))
    assert (preset.name, preset.epochs) == ("mine", 20)


def test_the_epochs_are_shared_out_among_the_sizes() -> None:
    recipe = Augmentation(crop="random", sizes=(64, 64, 96, 128), flip=False)
    assert [recipe.size(e, 12) for e in range(1, 13)] == [64] * 6 + [96] * 3 + [128] * 3
    assert [recipe.size(e, 2) for e in (1, 2)] == [64, 96]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"epoch": 20}, "epoch"),
        ({"augmentation": {"crop": "random", "sizes": [224], "flip": True, "flop": 1}}, "flop"),
        ({"optimiser": {"kind": "sgd", "lr": 0.1, "momentum": 0.9, "beta": 1}}, "beta"),
        ({"batch": 1}, "batch"),
        ({"epochs": 0}, "epochs"),
        ({"validation_share": 0.6}, "validation_share"),
        ({"augmentation": {"crop": "random", "sizes": [64, 257], "flip": True}}, "crop of 257"),
        (
            {"augmentation": {"crop": "random", "sizes": [224], "flip": True, "least_area": 0.3}},
            "goes",
        ),
        ({"augmentation": {"crop": "random_resized", "sizes": [224], "flip": True}}, "least_area"),
        ({"name": "other"}, "name"),
        ({"start": "scratch"}, "start"),
        ({"early_stopping": {"patience": 0}}, "patience"),
        ({"early_stopping": {}}, "patience"),
    ],
)
def test_a_wrong_key_or_value_is_named(
    changes: dict[str, object], place: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=place):
        load_preset(_changed(tmp_path, **changes))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="article"):
        load_preset("artikle")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "\x00"])
def test_what_is_no_preset_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"p\.yaml"):
        load_preset(str(tmp_path / "p.yaml"))
