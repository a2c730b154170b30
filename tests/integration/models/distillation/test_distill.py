"""The distillation command on a few photos, also killed and resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ml.core.settings import ROOT
from ml.models.bundled_weights import WEIGHTS, read_bundled_weights
from ml.models.distillation.recipe import RECIPE
from ml.models.pretrained_weights import load_pretrained_weights
from tests.support.photos import photo

PHOTOS = 14


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


def _command(photos: Path, recipe: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ml", "pretrain", "distill", "--photos", str(photos),
         "--out", str(out), "--recipe", str(recipe), "--licence", "made by this test, CC0"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def _killed_after_an_epoch(process: subprocess.Popen[str], out: Path) -> None:
    deadline = time.monotonic() + 240
    while not list(out.glob("state-*.safetensors")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_distillation_resumes_after_a_kill_and_gives_the_same_bytes(
    photos: Path, recipe: Path, tmp_path: Path
) -> None:
    complete, killed = tmp_path / "complete", tmp_path / "killed"
    output = _command(photos, recipe, complete).communicate()[0]
    assert "pretrained weights:" in output, output
    assert "training resumes" not in output
    _killed_after_an_epoch(_command(photos, recipe, killed), killed)
    assert not (killed / WEIGHTS).exists()
    again = _command(photos, recipe, killed).communicate()[0]
    assert "training resumes" in again
    assert (killed / WEIGHTS).read_bytes() == (complete / WEIGHTS).read_bytes()
    assert list(killed.glob("state-*")) == []
    _, card = read_bundled_weights(killed)
    assert card.made.photos == PHOTOS  # without the broken one and the copy
    assert card.made.epochs == 3
    assert card.made.licences == ("made by this test, CC0",)
    network, origin = load_pretrained_weights(str(killed / WEIGHTS), 2)
    assert origin.kind == "file"
    assert network.state_dict()["fc.weight"].shape == (2, 512)


def test_distillation_rejects_too_few_photos(photos: Path, tmp_path: Path) -> None:
    process = _command(photos, RECIPE, tmp_path / "out")
    output = process.communicate()[0]
    assert process.returncode == 1
    assert "at least" in output
