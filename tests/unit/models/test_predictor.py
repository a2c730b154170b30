"""The predictor: same function as the plain network, and no photo's score depends on another."""

import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from ml.core.computation import REFERENCE
from ml.core.errors import ModelError, SettingsError
from ml.models.checkpoint import Checkpoint, build_network, load_checkpoint
from ml.models.predictor import Predictor, describe_device, resolve_device
from ml.vision.images.preprocess import normalize, prepare
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


def test_predictor_separates_bright_from_dark_photos(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, device=CPU, batch_size=4)
    scores = predictor.scores(_pixels(9))
    assert [s["violate"] > 0.5 for s in scores] == [i % 3 == 0 for i in range(9)]
    assert all(abs(sum(s.values()) - 1) < 1e-9 for s in scores)


def test_predictor_with_fused_batch_norm_gives_the_logits_of_the_plain_network(
    checkpoint: Checkpoint,
) -> None:
    plain = build_network(2).eval()
    plain.load_state_dict(checkpoint.state)
    pixels = _pixels(5)
    with torch.inference_mode():
        expected = plain(normalize(torch.from_numpy(np.stack(pixels)), SPEC)).numpy()
    predictor = Predictor(checkpoint, device=CPU, batch_size=5, computation=REFERENCE)
    np.testing.assert_allclose(predictor.logits(pixels), expected, atol=1e-4)


def test_predictor_score_does_not_depend_on_the_batch_or_the_position(
    checkpoint: Checkpoint,
) -> None:
    predictor = Predictor(checkpoint, device=CPU, batch_size=8)
    pixels = _pixels(20)
    together = predictor.logits(pixels)
    np.testing.assert_array_equal(predictor.logits(pixels[::-1])[::-1], together)
    np.testing.assert_array_equal(predictor.logits(pixels[7:8]), together[7:8])


def test_predictor_scores_are_softened_by_the_temperature_of_the_card(
    checkpoint: Checkpoint,
) -> None:
    warm = checkpoint.card.calibration.model_copy(update={"temperature": 4.0})
    softer = Checkpoint(checkpoint.state, checkpoint.card.model_copy(update={"calibration": warm}))
    pixels = _pixels(1)
    hard = Predictor(checkpoint, device=CPU, batch_size=1, computation=REFERENCE)
    soft = Predictor(softer, device=CPU, batch_size=1, computation=REFERENCE)
    a, b = hard.scores(pixels)[0]["violate"], soft.scores(pixels)[0]["violate"]
    assert np.log(b / (1 - b)) == pytest.approx(np.log(a / (1 - a)) / 4, rel=1e-4)


def test_resolve_device_rejects_a_missing_device() -> None:
    with pytest.raises(SettingsError, match="set it to auto or cpu"):
        resolve_device("cuda:7")
    assert resolve_device("cpu") == CPU


def test_predictor_rejects_weights_that_do_not_fit_the_card(checkpoint: Checkpoint) -> None:
    three = checkpoint.card.model_copy(update={"classes": ("a", "b", "c")})
    with pytest.raises(ModelError, match="do not fit"):
        Predictor(Checkpoint(checkpoint.state, three), device=CPU, batch_size=1)


def test_resolve_device_auto_prefers_cuda() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == torch.device("cpu")


def test_resolve_device_rejects_a_missing_gpu_and_names_the_fix() -> None:
    absent = f"cuda:{max(7, torch.cuda.device_count())}"
    with pytest.raises(SettingsError, match=rf"MODERATION_DEVICE={absent}.*set it to auto or cpu"):
        resolve_device(absent)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_resolve_device_rejects_cuda_without_a_gpu() -> None:
    with pytest.raises(SettingsError, match="shows 0 CUDA"):
        resolve_device("cuda")


def test_describe_device_shows_threads_and_dtype_of_the_cpu() -> None:
    shown = describe_device(torch.device("cpu"))
    assert f"{torch.get_num_threads()} threads" in shown
    assert shown.endswith(("bfloat16", "float32"))
