from pathlib import Path

import torch
from safetensors.torch import save_file
from structlog.testing import capture_logs

from ml.models.training.checkpoint import Checkpoints, SavedState, checkpoint_file


def _state(value: float) -> SavedState:
    return SavedState({"weight": torch.full((2, 3), value)}, {"history": [1, 2], "rate": value})


def test_checkpoints_in_a_file_return_the_last_saved_state_until_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(checkpoint_file(tmp_path / "state.safetensors"))
    assert checkpoints.load() is None
    checkpoints.save(_state(1.0))
    checkpoints.save(_state(2.0))
    loaded = checkpoints.load()
    assert loaded is not None
    assert torch.equal(loaded.tensors["weight"], torch.full((2, 3), 2.0))
    assert loaded.facts == {"history": [1, 2], "rate": 2.0}
    checkpoints.remove()
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_ignore_the_partial_file_of_a_killed_save(tmp_path: Path) -> None:
    checkpoints = Checkpoints(checkpoint_file(tmp_path / "state.safetensors"))
    checkpoints.save(_state(1.0))
    (tmp_path / "state.part").write_bytes(b"\x10\x00")
    loaded = checkpoints.load()
    assert loaded is not None
    assert loaded.facts["rate"] == 1.0


def test_checkpoints_log_a_damaged_file_and_load_nothing(tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"no header")
    with capture_logs() as logs:
        assert Checkpoints(checkpoint_file(tmp_path / "state.safetensors")).load() is None
    assert "damaged" in logs[0]["event"]


def test_checkpoints_log_a_file_of_another_version_and_load_nothing(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "state.safetensors", {"facts": "{}"})
    with capture_logs() as logs:
        assert Checkpoints(checkpoint_file(tmp_path / "state.safetensors")).load() is None
    assert "another version" in logs[0]["event"]
