from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ml.learning.retrain import scoring
from ml.learning.retrain.scoring import ScoredPhotos, align_classes, ms_per_photo
from ml.models.checkpoint import load_checkpoint
from ml.models.predictor import Predictor


def test_columns_are_reordered_to_the_policys_classes() -> None:
    found = align_classes(np.array([[0.2, 0.5, 0.3]]), ("c", "a", "b"), ("a", "b", "c"))
    np.testing.assert_allclose(found, [[0.5, 0.3, 0.2]])


def test_class_unknown_to_the_version_has_probability_zero() -> None:
    found = align_classes(np.array([[0.25, 0.75]]), ("a", "b"), ("a", "new", "b"))
    np.testing.assert_allclose(found, [[0.25, 0.0, 0.75]])


def test_probability_of_a_dropped_class_is_redistributed() -> None:
    found = align_classes(
        np.array([[0.2, 0.2, 0.6], [0.0, 0.0, 1.0]]), ("a", "b", "old"), ("a", "b")
    )
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.5, 0.5]])


def test_rows_omit_rejected_photos() -> None:
    scored = ScoredPhotos(("x", "y"), ((1, 1), (1, 1)), np.zeros(2), (), (), {"z": "corrupt"})
    assert scored.rows(["y", "z", "x"]).tolist() == [1, 0]


PIXELS = [np.full((3, 32, 32), i, dtype=np.uint8) for i in range(3)]


class Watched(Predictor):
    """The real predictor; records each call and its number of photos."""

    name: str
    calls: list[tuple[str, int]]

    def scores(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> list[dict[str, float]]:
        """As in `Predictor`."""
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
