"""A training run that stops when its time is up and goes on from the file."""

from pathlib import Path

import pytest
import torch

from benchmarks.file_checkpoints import FileCheckpoints, TimeUp
from ml.training.state import TrainingState


def state(number: int) -> TrainingState:
    history = [{"number": n, "epochs": 3} for n in range(1, number + 1)]
    return TrainingState(
        {"network.weight": torch.full((2, 2), float(number))}, {"history": history}
    )


def test_nothing_is_there_before_the_first_epoch(tmp_path: Path) -> None:
    assert FileCheckpoints(tmp_path / "epoch.safetensors", 60).load() is None


def test_the_last_epoch_is_what_the_next_run_finds(tmp_path: Path) -> None:
    path = tmp_path / "epoch.safetensors"
    kept = FileCheckpoints(path, 60)
    kept.save(state(1))
    kept.save(state(2))
    found = FileCheckpoints(path, 60).load()
    assert found is not None
    assert found.tensors["network.weight"].tolist() == [[2, 2], [2, 2]]
    assert found.facts == state(2).facts
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_when_time_is_up_the_epoch_is_kept_and_the_run_stops(tmp_path: Path) -> None:
    path = tmp_path / "epoch.safetensors"
    times = iter([0.0, 59.0, 60.0])
    kept = FileCheckpoints(path, 60, clock=lambda: next(times))
    kept.save(state(1))
    with pytest.raises(TimeUp, match="2 of 3 epochs are trained"):
        kept.save(state(2))
    assert FileCheckpoints(path, 60).load() is not None


def test_the_last_epoch_is_never_too_late(tmp_path: Path) -> None:
    FileCheckpoints(tmp_path / "epoch.safetensors", 0).save(state(3))
