"""The distillation on a few photos, from random and from given weights, killed and resumed."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from ml.core.settings import ROOT
from ml.core.types import EpochResult
from ml.models.bundled_weights import (
    FOLDER,
    WEIGHTS,
    BundledWeightsCard,
    read_bundled_card,
    read_bundled_weights,
)
from ml.models.card import PretrainedWeights
from ml.models.checkpoint import file_sha256
from ml.models.distillation.distill import Origins, distill, list_files
from ml.models.distillation.recipe import RECIPE, load_recipe
from ml.models.distillation.sources import read_manifests
from ml.models.pretrained_weights import load_pretrained_weights
from ml.models.training.progress import Listener
from ml.vision.images.open_photo import DecodeLimits
from tests.support.photos import photo

PHOTOS = 14
NOTHING_STATED = Origins()
LIMITS = DecodeLimits(max_bytes=10**6, max_pixels=10**6, min_side=16)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(PHOTOS):
        (folder / f"{number}.jpg").write_bytes(photo(seed=number))
    (folder / "broken.jpg").write_bytes(b"no photo")
    (folder / "copy.jpg").write_bytes(photo(seed=0))
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    raw = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    small = {"photo_side": 72, "teacher_side": 64, "batch": 4, "epochs": 3, "validation_photos": 2}
    raw["augmentation"]["sizes"] = [32, 64]
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**raw, **small}))
    return path


@pytest.fixture
def manifest(photos: Path, tmp_path: Path) -> Path:
    """Two of the photos have a source of their own."""
    rows = ["file,source repository,licence,sha256"]
    for name in ("1.jpg", "2.jpg"):
        content = hashlib.sha256((photos / name).read_bytes()).hexdigest()
        rows.append(f"{name},somebody/photos,CC BY 4.0,{content}")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(rows))
    return path


def _command(photos: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ml", "pretrain", "distill", "--photos", str(photos),
         "--out", str(out), *options],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def _kill_after_an_epoch(process: subprocess.Popen[str], out: Path) -> str:
    """Kill it once it has written a new checkpoint; returns what it had printed."""
    before = {path: path.stat().st_mtime_ns for path in out.glob("state-*.safetensors")}
    deadline = time.monotonic() + 240
    while before == {path: path.stat().st_mtime_ns for path in out.glob("state-*.safetensors")}:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    return process.communicate()[0]


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_distillation_killed_twice_gives_the_bytes_of_an_unbroken_one(
    photos: Path, recipe: Path, manifest: Path, tmp_path: Path
) -> None:
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    options = ["--recipe", str(recipe), "--from", "bundled", "--manifest", str(manifest)]
    options += ["--licence", "made by this test, CC0"]
    output = _command(photos, unbroken, *options).communicate()[0]
    assert "pretrained weights:" in output, output
    assert "training resumes" not in output
    assert "training resumes" not in _kill_after_an_epoch(
        _command(photos, killed, *options), killed
    )
    output = _kill_after_an_epoch(_command(photos, killed, *options), killed)
    assert '"epochs_done": 1' in output
    assert not (killed / WEIGHTS).exists()
    output = _command(photos, killed, *options).communicate()[0]
    assert '"epochs_done": 2' in output
    assert (killed / WEIGHTS).read_bytes() == (unbroken / WEIGHTS).read_bytes()
    assert list(killed.glob("state-*")) == []
    _, card = read_bundled_weights(killed)
    assert card.made.photos == PHOTOS  # without the broken one and the copy
    assert card.made.epochs == 3
    assert card.made.licences == ("made by this test, CC0",)


def _distill(
    photos: Path,
    recipe: Path,
    out: Path,
    *,
    start: str | None,
    origins: Origins = NOTHING_STATED,
    listener: Listener | None = None,
) -> BundledWeightsCard:
    distill(
        list_files([photos]), start=start, origins=origins, recipe=load_recipe(recipe), out=out,
        device="cpu", seed=0, limits=LIMITS, progress=listener or Listener(),
    )  # fmt: skip
    return read_bundled_weights(out)[1]


def test_distillation_from_weights_starts_there_and_records_it_with_the_sources(
    photos: Path, recipe: Path, manifest: Path, tmp_path: Path
) -> None:
    raw = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    raw |= {"epochs": 1, "optimizer": {"kind": "adamw", "lr": 1e-9, "weight_decay": 0.0}}
    recipe.write_text(yaml.safe_dump(raw))
    weights, out = FOLDER / WEIGHTS, tmp_path / "out"
    origins = Origins((), read_manifests([manifest]))
    card = _distill(photos, recipe, out, start=str(weights), origins=origins)
    assert card.made.start == PretrainedWeights(kind="file", detail=file_sha256(weights))
    assert [source.model_dump() for source in card.made.sources] == [
        {"source": "photos", "licence": "not stated", "photos": PHOTOS - 2},
        {"source": "somebody/photos", "licence": "CC BY 4.0", "photos": 2},
    ]
    assert card.made.before == read_bundled_card().made.runs
    result, origin = load_pretrained_weights(str(out / WEIGHTS), 2)
    assert origin == PretrainedWeights(kind="file", detail=card.sha256)
    start, _ = load_pretrained_weights(str(weights), 2)
    assert torch.allclose(result.conv1.weight, start.conv1.weight, atol=1e-4)
    assert torch.allclose(result.layer4[1].conv2.weight, start.layer4[1].conv2.weight, atol=1e-4)


class Interrupted(Listener):
    """Ends the run after an epoch, whose checkpoint is written then."""

    def on_epoch(self, result: EpochResult) -> None:  # noqa: ARG002 - of the interface
        """End the run."""
        raise KeyboardInterrupt


def test_distillation_does_not_resume_from_the_checkpoint_of_another_start(
    photos: Path, recipe: Path, tmp_path: Path
) -> None:
    for start in (None, "bundled", str(FOLDER / WEIGHTS)):
        with pytest.raises(KeyboardInterrupt):
            _distill(photos, recipe, tmp_path, start=start, listener=Interrupted())
    assert len(list(tmp_path.glob("state-*"))) == 3


def test_distillation_rejects_too_few_photos(photos: Path, tmp_path: Path) -> None:
    process = _command(photos, tmp_path / "out", "--recipe", str(RECIPE))
    output = process.communicate()[0]
    assert process.returncode == 1
    assert "at least" in output
