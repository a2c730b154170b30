"""The text gate learns from a few samples, and its file says what the network said."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from stack.text_gate.network import build, export, pooled
from stack.text_gate.train import Recipe, train
from tests.unit.stack.text_gate.test_samples import goods


def test_the_file_computes_what_the_network_does_at_any_size(tmp_path: Path) -> None:
    network = build()
    export(network, tmp_path / "gate.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "gate.onnx")
    for size in ((224, 298), (298, 224), (224, 224)):
        grey = np.random.default_rng(0).random((1, 1, *size), dtype=np.float32) - 0.5
        with torch.inference_mode():
            wanted = network(torch.from_numpy(grey)).numpy()
        np.testing.assert_allclose(session.run(None, {"grey": grey})[0], wanted, atol=1e-4)


def test_training_changes_the_network_and_the_same_seed_gives_the_same_one(tmp_path: Path) -> None:
    recipe = Recipe(samples=32, epochs=1, seed=4)
    one, two = (train(goods(tmp_path), recipe) for _ in range(2))
    states = [list(network.state_dict().values()) for network in (one, two)]
    for first, second in zip(*states, strict=True):
        assert torch.equal(first, second)


def test_a_photo_is_as_likely_as_its_likeliest_cells() -> None:
    cells = torch.full((1, 28, 28), -5.0)
    cells[0, 3, 2:14] = 4.0
    assert pooled(cells).tolist() == [4.0]
