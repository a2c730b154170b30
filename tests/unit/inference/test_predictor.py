"""The predictor: same function as the plain network, and no photo's score depends on another."""

import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from ml.errors import ModelError, SettingsError
from ml.images.preprocess import normalise, prepare
from ml.inference.device import resolve
from ml.inference.predictor import Predictor
from ml.model.checkpoint import Checkpoint, load_checkpoint
from ml.model.resnet18 import build
from tests.support.champion import SPEC, make_champion
from tests.support.photos import BRIGHT, DARK, photo

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("version")
    make_champion(folder)
    return load_checkpoint(folder)


def _pixels(count: int) -> list[npt.NDArray[np.uint8]]:
    levels = [BRIGHT if i % 3 else DARK for i in range(count)]
    return [
        prepare(Image.open(io.BytesIO(photo(level, seed=i))).convert("RGB"), SPEC)
        for i, level in enumerate(levels)
    ]


def test_bright_is_normal_and_dark_is_not(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, device=CPU, batch_images=4)
    scores = predictor.scores(_pixels(9))
    assert [s["violate"] > 0.5 for s in scores] == [i % 3 == 0 for i in range(9)]
    assert all(abs(sum(s.values()) - 1) < 1e-9 for s in scores)


def test_folding_batch_norm_changes_nothing(checkpoint: Checkpoint) -> None:
    plain = build(2).eval()
    plain.load_state_dict(checkpoint.state)
    pixels = _pixels(5)
    with torch.inference_mode():
        expected = plain(normalise(torch.from_numpy(np.stack(pixels)), SPEC)).numpy()
    predictor = Predictor(checkpoint, device=CPU, batch_images=5, dtype=torch.float32)
    np.testing.assert_allclose(predictor.logits(pixels), expected, atol=1e-4)


def test_a_score_does_not_depend_on_companions_or_place(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, device=CPU, batch_images=8)
    pixels = _pixels(20)
    together = predictor.logits(pixels)
    np.testing.assert_array_equal(predictor.logits(pixels[::-1])[::-1], together)
    np.testing.assert_array_equal(predictor.logits(pixels[7:8]), together[7:8])


def test_the_card_s_temperature_softens(checkpoint: Checkpoint) -> None:
    warm = checkpoint.card.calibration.model_copy(update={"temperature": 4.0})
    softer = Checkpoint(checkpoint.state, checkpoint.card.model_copy(update={"calibration": warm}))
    pixels = _pixels(1)
    hard = Predictor(checkpoint, device=CPU, batch_images=1, dtype=torch.float32)
    soft = Predictor(softer, device=CPU, batch_images=1, dtype=torch.float32)
    a, b = hard.scores(pixels)[0]["violate"], soft.scores(pixels)[0]["violate"]
    assert np.log(b / (1 - b)) == pytest.approx(np.log(a / (1 - a)) / 4, rel=1e-4)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="set it to auto or cpu"):
        resolve("cuda:7")
    assert resolve("cpu") == CPU


def test_a_version_of_another_shape_is_refused(checkpoint: Checkpoint) -> None:
    three = checkpoint.card.model_copy(update={"classes": ("a", "b", "c")})
    with pytest.raises(ModelError, match="do not fit"):
        Predictor(Checkpoint(checkpoint.state, three), device=CPU, batch_images=1)
