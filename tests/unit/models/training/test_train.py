import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from structlog.testing import capture_logs

from ml.core.errors import PretrainedWeightsError
from ml.models.card import ModelCard
from ml.models.checkpoint import WEIGHTS, build_network, file_sha256, load_checkpoint
from ml.models.features import FeatureCache
from ml.models.training.head import INVERSE_PENALTIES
from ml.models.training.preset import load_preset
from ml.models.training.train import TrainedVersion, train
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.models.training.pictures import POLICY, folder, tiny_preset

pytestmark = pytest.mark.usefixtures("tiny_network")


class VersionFolder(NamedTuple):
    """A version in its folder."""

    folder: Path
    version: TrainedVersion

    @property
    def card(self) -> ModelCard:
        """Its card."""
        return self.version.card


def _train(data: Path, out: Path, **changes: object) -> VersionFolder:
    arguments: dict[str, object] = {
        "pretrained_weights": "none",
        "seed": 4,
        "preset": tiny_preset(),
    }
    version = train(
        data,
        policy=POLICY,
        out=out,
        device="cpu",
        limits=DecodeLimits(),
        **{**arguments, **changes},  # type: ignore[arg-type]
    )
    return VersionFolder(out, version)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> VersionFolder:
    root = tmp_path_factory.mktemp("run")
    data = folder(root / "data", photos=40)
    (data / "normal" / "broken.jpg").write_bytes(b"no photo")
    shutil.copy(data / "normal" / "000.png", data / "violate" / "same.png")
    return _train(data, root / "out")


def test_train_writes_a_version_that_loads(run: VersionFolder) -> None:
    checkpoint = load_checkpoint(run.folder, model_hash=run.card.model_hash)
    assert checkpoint.card == run.card
    build_network(2).load_state_dict(checkpoint.state)
    floats = {t.dtype for t in checkpoint.state.values() if t.is_floating_point()}
    assert floats == {torch.float32}


def test_train_records_its_inputs_in_the_card(run: VersionFolder) -> None:
    card = run.card
    assert card.classes == ("normal", "violate")
    assert (card.preset, card.seed, card.pretrained_weights.kind) == ("tiny", 4, "scratch")
    assert card.preprocessing == tiny_preset().preprocessing
    assert card.thresholds.pass_confidence == 0.7
    assert card.thresholds.source.startswith("policy default: ")  # too few for a proof
    assert card.training_images == 79  # 80 less one contradicted
    assert card.training_images == card.calibration.fitted_on == card.metrics["photos"]
    assert torch.__version__.startswith(card.libraries["torch"])
    assert set(card.libraries) == {"torch", "torchvision", "pillow", "safetensors", "python"}


def test_train_writes_metrics_and_epochs(run: VersionFolder) -> None:
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["out_of_fold"] == json.loads(run.card.to_json())["metrics"]
    assert [e["number"] for e in metrics["epochs"]] == list(range(1, 1 + len(metrics["epochs"])))
    assert set(metrics["out_of_fold"]["per_category"]) == {
        "normal",
        "violate/qr",
        "violate/weapon",
    }


def test_train_returns_the_scores_of_its_photos_and_their_files(run: VersionFolder) -> None:
    labels, photos = run.version.labels, run.version.photos
    assert [photo.label == "violate" for photo in photos] == labels.is_violation.tolist()
    right = (labels.violation_scores > 0.5) == labels.is_violation
    assert right.mean() == pytest.approx(run.card.metrics["accuracy"])
    assert labels.weights.tolist() == [1.0] * len(photos)
    assert run.version.violation_share == pytest.approx(39 / 79, abs=0.02)


def test_labels_weigh_as_the_given_share_of_violations(data: Path, tmp_path: Path) -> None:
    version = _train(
        data, tmp_path / "out", preset=tiny_preset(epochs=1), violation_share=0.02
    ).version
    assert version.is_share_assumed
    assert version.violation_share == pytest.approx(0.02)


def test_train_writes_plots_as_images(run: VersionFolder) -> None:
    names = {"confusion", "roc", "precision_recall", "reliability", "training"}
    files = list((run.folder / "plots").iterdir())
    assert {f.stem for f in files} == names
    for file in files:
        with Image.open(file) as image:
            assert min(image.size) > 300


def test_train_lists_skipped_files_with_their_reason(run: VersionFolder) -> None:
    with (run.folder / "rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row["reason"] for row in csv.DictReader(file)}
    assert rows == {
        "normal/000.png": "contradiction",
        "normal/broken.jpg": "not_an_image",
        "violate/same.png": "contradiction",
    }


def test_train_leaves_no_other_files(run: VersionFolder) -> None:
    names = {p.name for p in run.folder.iterdir()}
    assert names == {
        "weights.safetensors",
        "card.json",
        "metrics.json",
        "plots",
        "probe.safetensors",
        "rejected.csv",
        "training_photos.json",
    }


def test_train_lists_the_content_hashes_of_its_photos(run: VersionFolder) -> None:
    text = (run.folder / "training_photos.json").read_text(encoding="utf-8")
    listed = {part: set(hashes) for part, hashes in json.loads(text).items()}
    assert len(listed["train"]) == run.card.training_images
    used = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (run.folder.parent / "data").rglob("*.png")
        if path.name != "same.png" and path != run.folder.parent / "data/normal/000.png"
    }
    assert listed["train"] == used


def test_train_with_the_same_seed_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    preset = tiny_preset(epochs=1)
    first, again, other = (
        _train(data, tmp_path / name, preset=preset, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.card.model_hash == again.card.model_hash
    hashes = [file_sha256(v.folder / WEIGHTS) for v in (first, again, other)]
    assert hashes[0] == hashes[1] == first.card.weights_sha256
    assert hashes[0] != hashes[2]


def test_train_starts_from_the_weights_of_a_file(
    run: VersionFolder, data: Path, tmp_path: Path
) -> None:
    start = run.folder / WEIGHTS
    version = _train(
        data, tmp_path / "out", pretrained_weights=str(start), preset=tiny_preset(epochs=1)
    )
    assert version.card.pretrained_weights.kind == "file"
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    assert version.card.pretrained_weights.detail == digest


def test_train_with_a_fitted_head_gives_other_weights_than_with_a_random_one(
    run: VersionFolder, data: Path, tmp_path: Path
) -> None:
    start, preset = str(run.folder / WEIGHTS), tiny_preset(epochs=1)
    fitted = _train(
        data, tmp_path / "fitted", pretrained_weights=start,
        preset=preset.model_copy(update={"head": "fitted"}),
    )  # fmt: skip
    random = _train(data, tmp_path / "random", pretrained_weights=start, preset=preset)
    assert fitted.card.weights_sha256 != random.card.weights_sha256


def test_train_packages_a_linear_probe_without_epochs_and_caches_its_features(
    run: VersionFolder, data: Path, tmp_path: Path
) -> None:
    start, probe = run.folder / WEIGHTS, tiny_preset(epochs=0, head="fitted")
    cache = FeatureCache(tmp_path / "features.safetensors")
    with capture_logs() as logs:
        first, again = (
            _train(data, tmp_path / name, pretrained_weights=str(start), preset=probe, cache=cache)
            for name in ("first", "again")
        )
    assert first.card == again.card
    computed = [e["computed"] for e in logs if e["event"] == "features of frozen weights"]
    assert computed == [first.card.training_images, 0]
    frozen, probed = (load_file(v / WEIGHTS) for v in (run.folder, first.folder))
    assert {n for n, t in probed.items() if not torch.equal(t, frozen[n])} == {
        "fc.weight", "fc.bias",
    }  # fmt: skip
    assert first.card.training is not None
    assert first.card.training.epochs == 0
    assert first.card.training.head_inverse_penalty in INVERSE_PENALTIES
    assert "training" not in {f.stem for f in (first.folder / "plots").iterdir()}
    assert json.loads((first.folder / "metrics.json").read_text())["epochs"] == []


def test_train_within_a_time_budget_records_minutes_and_epochs(
    run: VersionFolder, data: Path, tmp_path: Path
) -> None:
    start = str(run.folder / WEIGHTS)
    for minutes, tried in ((60.0, 1), (0.001, 0)):
        version = _train(
            data, tmp_path / str(tried), pretrained_weights=start, minutes=minutes,
            preset=tiny_preset(epochs=1, head="fitted"),
        )  # fmt: skip
        assert version.card.training is not None
        assert version.card.training.minutes == minutes
        assert version.card.training.epochs <= tried


def test_train_writes_nothing_if_pretrained_weights_are_missing(data: Path, tmp_path: Path) -> None:
    with pytest.raises(PretrainedWeightsError):
        _train(data, tmp_path / "out", pretrained_weights="gone.safetensors")
    assert not list((tmp_path / "out").iterdir())


def test_train_runs_the_article_preset(tmp_path: Path) -> None:
    preset = load_preset("article").model_copy(update={"epochs": 1})
    data = folder(tmp_path / "data", photos=10)
    card = _train(data, tmp_path / "out", preset=preset).card
    assert (card.preset, card.preprocessing.crop) == ("article", 224)
