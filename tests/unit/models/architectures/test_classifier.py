"""What every architecture promises."""

from typing import get_args

import pytest
import torch
from torch.nn import functional

from ml.core.types import ArchitectureName
from ml.models.checkpoint import ARCHITECTURES, build_network

EVERY = get_args(ArchitectureName)


def test_each_architecture_of_a_card_can_be_built() -> None:
    assert set(ARCHITECTURES) == set(EVERY)
    assert {name: network.architecture for name, network in ARCHITECTURES.items()} == {
        name: name for name in EVERY
    }


@pytest.mark.parametrize("architecture", EVERY)
def test_feature_maps_have_the_named_strides_and_channels(architecture: ArchitectureName) -> None:
    network = build_network(3, architecture).eval()
    with torch.inference_mode():
        maps = network.feature_maps(torch.randn(2, 3, 96, 75))
    for found, channels, stride in zip(maps, network.channels, (8, 16, 32), strict=True):
        assert found.shape == (2, channels, -(-96 // stride), -(-75 // stride))


@pytest.mark.parametrize("architecture", EVERY)
def test_logits_are_the_head_of_the_mean_feature_maps(architecture: ArchitectureName) -> None:
    network = build_network(3, architecture).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        features = network.features(images)
        pooled = network.feature_maps(images).stride_32.mean((2, 3))
        logits = network(images)
        weight, bias = (network.state_dict()[name] for name in network.head_parameters)
    assert features.shape == (2, network.head.in_features) == (2, network.channels[-1])
    torch.testing.assert_close(features, pooled)
    assert torch.equal(logits, functional.linear(features, weight, bias))
    assert network.head.out_features == 3


@pytest.mark.parametrize("architecture", EVERY)
def test_untrained_network_distinguishes_pictures(architecture: ArchitectureName) -> None:
    torch.manual_seed(0)
    network = build_network(2, architecture).eval()
    with torch.inference_mode():
        features = network.features(torch.randn(4, 3, 64, 64))
    assert features.isfinite().all()
    assert (features[0] - features[1]).abs().mean() > 0.01 * features.abs().mean() > 1e-3
