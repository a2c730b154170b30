"""The documented conversion: a network of torch becomes a signal that computes the same."""

import io
import warnings

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from ml.models.signals.predictor import SignalPredictor
from tests.support.signal_models import make_card


def test_exported_network_of_torch_computes_the_same_as_a_signal() -> None:
    torch.manual_seed(0)
    network = resnet18(num_classes=3).eval()
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 64, 64),),
            file,
            input_names=["pixels"],
            output_names=["scores"],
            dynamic_axes={"pixels": {0: "photos"}, "scores": {0: "photos"}},
            dynamo=False,
        )
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    card = make_card(
        file.getvalue(), "a", "b", "c",
        input={"size": 64, "mean": mean, "std": std}, output={"activation": "softmax"},
    )  # fmt: skip
    photo = np.random.default_rng(1).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    pixels = (torch.from_numpy(photo) / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(
        std
    ).view(3, 1, 1)
    with torch.inference_mode():
        expected = network(pixels[None]).softmax(dim=1).numpy()
    [scores] = SignalPredictor(card, file.getvalue(), threads=1).scores([photo])
    assert scores == pytest.approx(expected[0], abs=1e-4)
