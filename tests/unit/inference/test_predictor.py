import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torchvision.models import resnet18

from ml.errors import ModelError
from ml.images.preprocess import normalise, prepare
from ml.inference.predictor import Predictor
from ml.model.checkpoint import Checkpoint, load_checkpoint
from tests.support.champion import SPEC, make_champion
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo

CPU = torch.device("cpu")
Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("champion")
    make_champion(folder)
    return load_checkpoint(folder)


def pixels(brightness: int, seed: int) -> Pixels:
    opened = Image.open(io.BytesIO(photo(brightness, seed=seed)))
    return prepare(opened.convert("RGB"), SPEC)


@pytest.fixture(scope="module")
def photos() -> list[Pixels]:
    levels = [BRIGHT, DARK, MIDDLE, BRIGHT, DARK, MIDDLE, BRIGHT]
    return [pixels(level, 900 + i) for i, level in enumerate(levels)]


def test_bright_is_normal_and_dark_violates(checkpoint: Checkpoint, photos: list[Pixels]) -> None:
    scores = Predictor(checkpoint, device=CPU, batch_images=4).scores(photos)
    likelier = ["normal" if s["normal"] > s["violate"] else "violate" for s in scores]
    assert [likelier[i] for i in (0, 3, 6)] == ["normal"] * 3
    assert [likelier[i] for i in (1, 4)] == ["violate"] * 2
    for each in scores:
        assert sum(each.values()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scores_do_not_depend_on_companions_or_place(
    dtype: torch.dtype, checkpoint: Checkpoint, photos: list[Pixels]
) -> None:
    predictor = Predictor(checkpoint, device=CPU, batch_images=4, dtype=dtype)
    together = predictor.scores(photos)
    assert [predictor.scores([each])[0] for each in photos] == together
    assert predictor.scores(photos[::-1])[::-1] == together


def _with_lively_normalisation(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Running means and variances unlike 0 and 1: with those, folding would change nothing."""
    drawn = torch.Generator().manual_seed(4)
    changed = dict(state)
    for name, tensor in state.items():
        if "bn" in name or "downsample.1" in name:
            if name.endswith(("running_var", "weight")):
                changed[name] = 0.5 + torch.rand(tensor.shape, generator=drawn)
            elif name.endswith(("running_mean", "bias")):
                changed[name] = 0.2 * torch.randn(tensor.shape, generator=drawn)
    return changed


def test_the_folded_network_is_torchvisions(checkpoint: Checkpoint, photos: list[Pixels]) -> None:
    state = _with_lively_normalisation(checkpoint.state)
    plain = resnet18(weights=None, num_classes=2)
    plain.load_state_dict(state)
    with torch.inference_mode():
        wanted = plain.eval()(normalise(torch.from_numpy(np.stack(photos)), SPEC)).numpy()
    folded = Predictor(
        Checkpoint(state, checkpoint.card), device=CPU, batch_images=4, dtype=torch.float32
    )
    np.testing.assert_allclose(folded.logits(photos), wanted, rtol=1e-4, atol=1e-4)
    assert np.ptp(wanted) > 0.1  # logits that all agree would prove nothing


def test_the_temperature_of_the_card_divides_the_logits(
    checkpoint: Checkpoint, photos: list[Pixels]
) -> None:
    calibration = checkpoint.card.calibration.model_copy(update={"temperature": 2.5})
    card = checkpoint.card.model_copy(update={"calibration": calibration})
    predictor = Predictor(Checkpoint(checkpoint.state, card), device=CPU, batch_images=4)
    logits = predictor.logits(photos)
    for each, (normal, violate) in zip(predictor.scores(photos), logits, strict=True):
        odds = np.log(each["normal"] / each["violate"])
        assert odds == pytest.approx((normal - violate) / 2.5, rel=1e-5)


def test_weights_of_another_shape_are_refused(checkpoint: Checkpoint) -> None:
    card = checkpoint.card.model_copy(update={"classes": ("normal", "qr", "weapon")})
    with pytest.raises(ModelError, match="do not fit resnet18"):
        Predictor(Checkpoint(checkpoint.state, card), device=CPU, batch_images=4)


def test_a_saved_version_scores_as_before(
    checkpoint: Checkpoint, photos: list[Pixels], tmp_path: Path
) -> None:
    make_champion(tmp_path)
    again = load_checkpoint(tmp_path, model_hash=checkpoint.card.model_hash)
    wanted = Predictor(checkpoint, device=CPU, batch_images=4).scores(photos)
    assert Predictor(again, device=CPU, batch_images=4).scores(photos) == wanted
