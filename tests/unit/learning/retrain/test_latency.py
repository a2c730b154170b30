from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ml.learning.retrain import scoring
from ml.learning.retrain.scoring import ms_per_photo
from ml.models.checkpoint import load_checkpoint
from ml.models.predictor import Predictor

PIXELS = [np.full((3, 32, 32), i, dtype=np.uint8) for i in range(3)]


class Watched(Predictor):
    """The real predictor, that says when and with how many photos it was asked."""

    name: str
    calls: list[tuple[str, int]]

    def scores(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> list[dict[str, float]]:
        """As before."""
        self.calls.append((self.name, len(pixels)))
        return super().scores(pixels)


def test_versions_take_turns_on_full_batches(
    champion_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "ROUNDS", 2)
    checkpoint = load_checkpoint(champion_folder)
    calls: list[tuple[str, int]] = []
    watched = []
    for name in ("candidate", "champion"):
        predictor = Watched(checkpoint, device=torch.device("cpu"), batch_size=8)
        predictor.name, predictor.calls = name, calls
        watched.append(predictor)
    taken = ms_per_photo(watched, [PIXELS, PIXELS], batch=8)
    assert all(0 < ms < 10_000 for ms in taken)
    assert {photos for _, photos in calls} == {8}
    turns = [name for name, _ in calls]
    assert turns == ["candidate", "champion", "champion", "candidate"] * 2
