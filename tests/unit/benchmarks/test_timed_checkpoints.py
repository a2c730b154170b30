"""A training run that stops when its time is used up and resumes from the file."""

from pathlib import Path

import pytest
import torch

from benchmarks.timed_checkpoints import TimedCheckpoints, TimeUp
from ml.models.training.checkpoint import SavedState, checkpoint_file


def state(number: int) -> SavedState:
    history = [{"number": n, "epochs": 3} for n in range(1, number + 1)]
    return SavedState({"network.weight": torch.full((2, 2), float(number))}, {"history": history})


def test_timed_checkpoints_return_the_last_saved_epoch_to_the_next_run(tmp_path: Path) -> None:
    file = checkpoint_file(tmp_path / "epoch.safetensors")
    checkpoints = TimedCheckpoints(file, 60)
    assert checkpoints.load() is None
    checkpoints.save(state(1))
    checkpoints.save(state(2))
    loaded = TimedCheckpoints(file, 60).load()
    assert loaded is not None
    assert loaded.tensors["network.weight"].tolist() == [[2, 2], [2, 2]]
    assert loaded.facts == state(2).facts


def test_timed_checkpoints_save_the_epoch_before_they_stop_the_run(tmp_path: Path) -> None:
    file = checkpoint_file(tmp_path / "epoch.safetensors")
    times = iter([0.0, 59.0, 60.0])
    checkpoints = TimedCheckpoints(file, 60, clock=lambda: next(times))
    checkpoints.save(state(1))
    with pytest.raises(TimeUp, match="2 of 3 epochs are trained"):
        checkpoints.save(state(2))
    loaded = TimedCheckpoints(file, 60).load()
    assert loaded is not None
    assert loaded.facts == state(2).facts


def test_timed_checkpoints_never_stop_a_run_at_its_last_epoch(tmp_path: Path) -> None:
    file = checkpoint_file(tmp_path / "epoch.safetensors")
    TimedCheckpoints(file, 0).save(state(3))
