"""The text gate trains on a few samples, and its ONNX file computes the same."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from devtools.text_gate.network import Gate, export_onnx, pool_logits
from devtools.text_gate.train import Recipe, train
from tests.unit.devtools.text_gate.test_samples import goods


def weights(network: Gate) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def test_exported_onnx_equals_the_network_at_any_size(tmp_path: Path) -> None:
    network = Gate().eval()
    export_onnx(network, tmp_path / "gate.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "gate.onnx")
    for size in ((256, 341), (300, 256), (256, 256)):
        grey = np.random.default_rng(0).random((1, 1, *size), dtype=np.float32) - 0.5
        with torch.inference_mode():
            cells = network(torch.from_numpy(grey))
        logit, cover = session.run(None, {"grey": grey})
        np.testing.assert_allclose(logit, pool_logits(cells).numpy(), atol=1e-4)
        np.testing.assert_allclose(cover, (cells > 0).float().mean((1, 2)).numpy(), atol=2e-3)


def test_training_is_deterministic_for_a_seed(tmp_path: Path) -> None:
    recipe = Recipe(samples=32, epochs=1, seed=4)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    one, two = (train(goods(tmp_path), recipe, folder) for folder in folders)
    for first, second in zip(weights(one), weights(two), strict=True):
        assert torch.equal(first, second)


def test_interrupted_training_continues_after_its_last_epoch(tmp_path: Path) -> None:
    recipe = Recipe(samples=32, epochs=1, seed=4)
    done = train(goods(tmp_path), recipe, tmp_path)
    again = train(goods(tmp_path), recipe, tmp_path)
    for first, second in zip(weights(done), weights(again), strict=True):
        assert torch.equal(first, second)


def test_training_begins_with_the_weights_of_another(tmp_path: Path) -> None:
    first, second = (
        Recipe(samples=32, epochs=1, seed=4, start=start) for start in (None, tmp_path / "state.pt")
    )
    one = train(goods(tmp_path), first, tmp_path)
    (tmp_path / "next").mkdir()
    two = train(goods(tmp_path), second, tmp_path / "next")
    changes = [
        (after - before).abs().max()
        for before, after in zip(weights(one), weights(two), strict=True)
    ]
    assert 0 < changes[0] < 0.05


def test_pool_logits_is_the_mean_of_the_highest_cells() -> None:
    cells = torch.full((1, 28, 28), -5.0)
    cells[0, 3, 2:26] = 4.0
    assert pool_logits(cells).tolist() == [4.0]
