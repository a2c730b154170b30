from pathlib import Path

import torch
from structlog.testing import capture_logs

from ml.distillation.kept_state import FileCheckpoints
from ml.training.state import TrainingState


def _state(value: float) -> TrainingState:
    return TrainingState({"weight": torch.full((2, 3), value)}, {"history": [1, 2], "rate": value})


def test_what_was_saved_last_comes_back(tmp_path: Path) -> None:
    kept = FileCheckpoints(tmp_path / "state.safetensors")
    assert kept.load() is None
    kept.save(_state(1.0))
    kept.save(_state(2.0))
    found = kept.load()
    assert found is not None
    assert torch.equal(found.tensors["weight"], torch.full((2, 3), 2.0))
    assert found.facts == {"history": [1, 2], "rate": 2.0}
    kept.remove()
    assert list(tmp_path.iterdir()) == []


def test_half_a_file_of_a_killed_save_is_never_the_state(tmp_path: Path) -> None:
    kept = FileCheckpoints(tmp_path / "state.safetensors")
    kept.save(_state(1.0))
    (tmp_path / "state.part").write_bytes(b"\x10\x00")
    found = kept.load()
    assert found is not None
    assert found.facts["rate"] == 1.0


def test_a_damaged_state_is_said_and_training_starts_again(tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"no header")
    with capture_logs() as logs:
        assert FileCheckpoints(tmp_path / "state.safetensors").load() is None
    assert "damaged" in logs[0]["event"]
