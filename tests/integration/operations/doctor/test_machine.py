"""What the machine itself must have: a device and a folder with room."""

from pathlib import Path

import pytest
import torch

from ml.operations.doctor import machine_checks
from tests.integration.operations.doctor.conftest import Examine, failures

pytestmark = pytest.mark.integration


def test_a_gpu_that_is_not_there(examined: Examine) -> None:
    beyond = f"cuda:{torch.cuda.device_count()}"
    found = examined(device=beyond)
    assert failures(found) == ["device"]
    assert beyond in found["device"].message
    assert "nvidia-smi" in found["device"].remedy


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_that_is_there(examined: Examine) -> None:
    assert "GPU" in examined(device="cuda")["device"].message


def test_a_data_folder_that_is_a_file(examined: Examine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = examined(data_dir=tmp_path / "file")
    assert failures(found) == ["disk"]
    assert "MODERATION_DATA_DIR" in found["disk"].remedy


def test_a_disk_that_is_nearly_full(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "MIN_FREE_GIB", 1e9)
    found = examined()
    assert failures(found) == ["disk"]
    assert "free space" in found["disk"].remedy
