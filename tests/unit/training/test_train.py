import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from ml.errors import StartWeightsError
from ml.images.decode import DecodeLimits
from ml.model.checkpoint import WEIGHTS, file_sha256, load_checkpoint
from ml.model.resnet18 import build
from ml.training.preset import load_preset
from ml.training.train import TrainedVersion, train
from tests.unit.training.pictures import POLICY, folder, tiny_preset


def _trained(data: Path, out: Path, **changes: object) -> TrainedVersion:
    given: dict[str, object] = {"start_weights": "none", "seed": 4, "preset": tiny_preset()}
    return train(
        data,
        policy=POLICY,
        out=out,
        device="cpu",
        limits=DecodeLimits(),
        **{**given, **changes},  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainedVersion:
    root = tmp_path_factory.mktemp("run")
    data = folder(root / "data", photos=40)
    (data / "normal" / "broken.jpg").write_bytes(b"no photo")
    shutil.copy(data / "normal" / "000.png", data / "violate" / "same.png")
    return _trained(data, root / "out")


def test_the_folder_is_a_version_that_loads(run: TrainedVersion) -> None:
    checkpoint = load_checkpoint(run.folder, model_hash=run.card.model_hash)
    assert checkpoint.card == run.card
    build(2).load_state_dict(checkpoint.state)
    floats = {t.dtype for t in checkpoint.state.values() if t.is_floating_point()}
    assert floats == {torch.float32}


def test_the_card_says_how_the_version_came_to_be(run: TrainedVersion) -> None:
    card = run.card
    assert card.classes == ("normal", "violate")
    assert (card.preset, card.seed, card.start_weights.kind) == ("tiny", 4, "scratch")
    assert card.preprocessing == tiny_preset().preprocessing
    assert (card.cut_offs.pass_confidence, card.cut_offs.source) == (0.7, "policy default")
    assert card.training_images + card.validation_images == 79  # 80 less one contradicted
    assert card.validation_images == card.calibration.fitted_on == card.metrics["photos"]
    assert torch.__version__.startswith(card.libraries["torch"])
    assert set(card.libraries) == {"torch", "torchvision", "pillow", "safetensors", "python"}


def test_metrics_and_curves_are_written(run: TrainedVersion) -> None:
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["validation"] == json.loads(run.card.to_json())["metrics"]
    assert [e["number"] for e in metrics["epochs"]] == [1, 2]
    assert set(metrics["validation"]["per_category"]) == {
        "normal",
        "violate/qr",
        "violate/weapon",
    }


def test_plots_are_pictures(run: TrainedVersion) -> None:
    names = {"confusion", "roc", "precision_recall", "reliability", "training"}
    files = list((run.folder / "plots").iterdir())
    assert {f.stem for f in files} == names
    for file in files:
        with Image.open(file) as image:
            assert min(image.size) > 300


def test_files_left_out_are_listed_with_their_reason(run: TrainedVersion) -> None:
    with (run.folder / "rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row["reason"] for row in csv.DictReader(file)}
    assert rows == {
        "normal/000.png": "contradiction",
        "normal/broken.jpg": "not_an_image",
        "violate/same.png": "contradiction",
    }


def test_nothing_else_is_left_behind(run: TrainedVersion) -> None:
    names = {p.name for p in run.folder.iterdir()}
    assert names == {
        "weights.safetensors",
        "card.json",
        "metrics.json",
        "plots",
        "rejected.csv",
        "training_photos.json",
    }


def test_the_photos_learnt_from_are_listed_by_their_bytes(run: TrainedVersion) -> None:
    text = (run.folder / "training_photos.json").read_text(encoding="utf-8")
    listed = {part: set(hashes) for part, hashes in json.loads(text).items()}
    assert len(listed["train"]) == run.card.training_images
    assert len(listed["validation"]) == run.card.validation_images
    assert not listed["train"] & listed["validation"]
    used = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (run.folder.parent / "data").rglob("*.png")
        if path.name != "same.png" and path != run.folder.parent / "data/normal/000.png"
    }
    assert listed["train"] | listed["validation"] == used


def test_a_preset_that_wants_a_champion_says_loudly_that_there_is_none(
    data: Path, tmp_path: Path
) -> None:
    preset = tiny_preset(epochs=1, start="champion")
    with capture_logs() as logs:
        version = _trained(data, tmp_path / "out", preset=preset)
    assert version.card.start_weights.kind == "scratch"
    warnings = [e["event"] for e in logs if e["log_level"] == "warning"]
    assert any("NO CHAMPION" in event for event in warnings)


def test_the_same_seed_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    preset = tiny_preset(epochs=1)
    first, again, other = (
        _trained(data, tmp_path / name, preset=preset, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.card.model_hash == again.card.model_hash
    hashes = [file_sha256(v.folder / WEIGHTS) for v in (first, again, other)]
    assert hashes[0] == hashes[1] == first.card.weights_sha256
    assert hashes[0] != hashes[2]


def test_training_goes_on_from_a_given_version(
    run: TrainedVersion, data: Path, tmp_path: Path
) -> None:
    start = run.folder / WEIGHTS
    version = _trained(
        data, tmp_path / "out", start_weights=str(start), preset=tiny_preset(epochs=1)
    )
    assert version.card.start_weights.kind == "file"
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    assert version.card.start_weights.detail == digest


def test_a_fitted_head_makes_another_version_than_a_random_one(
    run: TrainedVersion, data: Path, tmp_path: Path
) -> None:
    start, preset = str(run.folder / WEIGHTS), tiny_preset(epochs=1)
    with capture_logs() as logs:
        fitted = _trained(
            data, tmp_path / "fitted", start_weights=start,
            preset=preset.model_copy(update={"head": "fitted"}),
        )  # fmt: skip
    random = _trained(data, tmp_path / "random", start_weights=start, preset=preset)
    assert "head fitted to the start weights' features" in [line["event"] for line in logs]
    assert fitted.card.weights_sha256 != random.card.weights_sha256


def test_absent_start_weights_stop_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    with pytest.raises(StartWeightsError):
        _trained(data, tmp_path / "out", start_weights="gone.safetensors")
    assert not list((tmp_path / "out").iterdir())


def test_the_articles_recipe_runs(tmp_path: Path) -> None:
    preset = load_preset("article").model_copy(update={"epochs": 1})
    data = folder(tmp_path / "data", photos=10)
    card = _trained(data, tmp_path / "out", preset=preset).card
    assert (card.preset, card.preprocessing.crop) == ("article", 224)
