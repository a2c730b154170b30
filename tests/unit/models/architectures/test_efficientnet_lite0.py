import pytest
import torch
from torch.nn import functional

from ml.models.architectures.efficientnet_lite0 import SameConv2d
from ml.models.checkpoint import restore_network
from ml.models.imagenet_weights import EFFICIENTNET_LITE0, IMAGENET_CLASSES


def test_imagenet_logits_are_those_of_the_package_efficientnet_lite_pytorch() -> None:
    # Its version 0.1.0 gave these for the ramp, and equal bits for random squares.
    network = restore_network(EFFICIENTNET_LITE0.load(), IMAGENET_CLASSES, "efficientnet_lite0")
    ramp = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
    with torch.inference_mode():
        [logits] = network(ramp)
    expected = [-0.4592, -0.1270, 0.9363, 0.6261, 0.8094, 0.9117]
    torch.testing.assert_close(logits[:6], torch.tensor(expected), atol=1e-3, rtol=0)
    assert (int(logits.argmax()), float(logits.std())) == (782, pytest.approx(0.7208, abs=1e-3))


@pytest.mark.parametrize(
    ("side", "kernel", "before", "after"), [(8, 3, 0, 1), (7, 3, 1, 1), (8, 5, 1, 2), (7, 5, 2, 2)]
)
def test_same_padding_has_the_odd_row_at_the_end(
    side: int, kernel: int, before: int, after: int
) -> None:
    layer = SameConv2d(2, 4, kernel, 2, bias=False)
    images = torch.randn(1, 2, side, side)
    padded = functional.pad(images, (before, after, before, after))
    expected = functional.conv2d(padded, layer.weight, stride=2)
    assert torch.equal(layer(images), expected)
    assert expected.shape[-1] == 4
