"""The text gate trains on a few samples, and its ONNX file computes the same."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from devtools.text_gate.network import build_network, export_onnx, pool_logits
from devtools.text_gate.train import Recipe, train
from tests.unit.devtools.text_gate.test_samples import goods


def test_exported_onnx_equals_the_network_at_any_size(tmp_path: Path) -> None:
    network = build_network()
    export_onnx(network, tmp_path / "gate.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "gate.onnx")
    for size in ((224, 298), (298, 224), (224, 224)):
        grey = np.random.default_rng(0).random((1, 1, *size), dtype=np.float32) - 0.5
        with torch.inference_mode():
            wanted = network(torch.from_numpy(grey)).numpy()
        np.testing.assert_allclose(session.run(None, {"grey": grey})[0], wanted, atol=1e-4)


def test_training_is_deterministic_for_a_seed(tmp_path: Path) -> None:
    recipe = Recipe(samples=32, epochs=1, seed=4)
    one, two = (train(goods(tmp_path), recipe) for _ in range(2))
    states = [list(network.state_dict().values()) for network in (one, two)]
    for first, second in zip(*states, strict=True):
        assert torch.equal(first, second)


def test_pool_logits_is_the_mean_of_the_highest_cells() -> None:
    cells = torch.full((1, 28, 28), -5.0)
    cells[0, 3, 2:14] = 4.0
    assert pool_logits(cells).tolist() == [4.0]
