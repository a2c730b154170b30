import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ml.core.errors import ModelError, ModelHashMismatch
from ml.models.checkpoint import WEIGHTS, Checkpoint, load_checkpoint
from ml.models.load_check import (
    PROBE,
    TOLERANCE,
    check_probe,
    load_checked_predictor,
    probe_in_fresh_process,
    write_probe,
)
from tests.support.retraining import make_version
from tests.support.versions import spoil_weights


@pytest.fixture(scope="module")
def intact_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe")
    make_version(folder, probe=True)
    return folder


@pytest.fixture
def version(intact_version: Path, tmp_path: Path) -> Path:
    """A copy of the version that a test may change."""
    return shutil.copytree(intact_version, tmp_path / "version")


def overwrite_probe(version: Path, **tensors: torch.Tensor) -> None:
    save_file(load_file(version / PROBE) | tensors, version / PROBE)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("nan", "weights that are not finite: layer1.0.conv1.weight"),
        ("inf", "weights that are not finite"),
        ("large", "not probabilities"),
        ("variance", "not probabilities"),
        ("constant", "the same scores for every picture"),
        ("saturated", "the same scores for every picture"),
        ("blind", "the same scores for every picture"),
        ("missing", "do not fit resnet18"),
        ("shape", "do not fit resnet18"),
    ],
)
def test_version_without_usable_scores_is_not_loaded(version: Path, kind: str, said: str) -> None:
    checkpoint = load_checkpoint(version)
    spoiled = Checkpoint(spoil_weights(checkpoint.state, kind), checkpoint.card)
    with pytest.raises(ModelError, match=said):
        load_checked_predictor(spoiled, batch_size=3)


def test_intact_version_is_loaded_with_its_card(version: Path) -> None:
    checkpoint = load_checkpoint(version)
    for batch_size in (1, 8):
        assert load_checked_predictor(checkpoint, batch_size=batch_size).card == checkpoint.card


def test_check_probe_is_within_tolerance_for_an_intact_version(version: Path) -> None:
    assert check_probe(version) < TOLERANCE / 10


def test_check_probe_detects_another_network(version: Path, tmp_path: Path) -> None:
    probe = (version / PROBE).read_bytes()
    make_version(tmp_path / "other", seed=1)
    (tmp_path / "other" / PROBE).write_bytes(probe)
    assert check_probe(tmp_path / "other") > 100 * TOLERANCE


def test_check_probe_detects_swapped_channels(version: Path) -> None:
    pixels = load_file(version / PROBE)["pixels"]
    overwrite_probe(version, pixels=pixels[:, [2, 0, 1]].contiguous())
    assert check_probe(version) > TOLERANCE


def test_check_probe_rejects_another_version(version: Path) -> None:
    with pytest.raises(ModelHashMismatch):
        check_probe(version, model_hash="f" * 64)


def test_check_probe_rejects_tampered_weights(version: Path) -> None:
    data = bytearray((version / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (version / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelHashMismatch):
        check_probe(version)


@pytest.mark.parametrize(
    "tensors",
    [
        {"logits": torch.full((4, 2), float("nan"))},
        {"logits": torch.zeros(3, 2)},
        {"logits": torch.zeros(4, 3)},
        {"logits": torch.zeros(4, 2, dtype=torch.float64)},
        {"pixels": torch.zeros(4, 3, 32, 32)},
        {"pixels": torch.zeros(4, 3, 24, 24, dtype=torch.uint8)},
        {"pixels": torch.zeros(0, 3, 32, 32, dtype=torch.uint8), "logits": torch.zeros(0, 2)},
    ],
    ids=["nan", "fewer", "classes", "float64", "floats", "crop", "empty"],
)
def test_check_probe_rejects_invalid_tensors(
    tensors: dict[str, torch.Tensor], version: Path
) -> None:
    overwrite_probe(version, **tensors)
    with pytest.raises(ModelError):
        check_probe(version)


@pytest.mark.parametrize("data", [None, b"", b"no tensors at all"])
def test_check_probe_rejects_a_missing_or_damaged_probe(data: bytes | None, version: Path) -> None:
    (version / PROBE).unlink() if data is None else (version / PROBE).write_bytes(data)
    with pytest.raises(ModelError, match="probe"):
        check_probe(version)


def test_write_probe_round_trip(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    write_probe(tmp_path, pixels, torch.tensor([[1.5, -2.0], [0.25, 3.0]], requires_grad=True))
    read = load_file(tmp_path / PROBE)
    np.testing.assert_array_equal(read["pixels"].numpy(), pixels.numpy())
    assert read["logits"].tolist() == [[1.5, -2.0], [0.25, 3.0]]


def test_probe_in_fresh_process_reports_a_missing_probe(version: Path) -> None:
    (version / PROBE).unlink()
    result = probe_in_fresh_process(version)
    assert (result.ok, result.largest_difference) == (False, None)
    assert f"no {PROBE}" in result.detail


def test_probe_in_fresh_process_stops_at_its_timeout(version: Path) -> None:
    result = probe_in_fresh_process(version, timeout_seconds=0.01)
    assert (result.ok, result.largest_difference) == (False, None)
    assert "did not finish" in result.detail
