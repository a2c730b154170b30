"""A ResNet18 with a quarter of the channels, for fast tests of training.

It replaces the network in the test's own process only, which cannot load versions of the real
network meanwhile.
"""

from collections.abc import Iterator

import pytest
from torch import nn
from torchvision.models.resnet import BasicBlock

from ml.models.architectures.resnet18 import ResNet18
from ml.models.checkpoint import ARCHITECTURES

WIDTH = 16  # channels of the first layer; ResNet18 has 64


class TinyResNet(ResNet18):
    """ResNet18 with torchvision's layer names and fewer channels."""

    channels = (2 * WIDTH, 4 * WIDTH, 8 * WIDTH)

    def __init__(self, classes: int) -> None:
        nn.Module.__init__(self)  # ResNet's __init__ would initialize 11 million weights
        self._norm_layer = nn.BatchNorm2d
        self.dilation, self.groups, self.base_width = 1, 1, 64
        self.inplanes = WIDTH
        self.conv1 = nn.Conv2d(3, WIDTH, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(BasicBlock, WIDTH, 2)
        self.layer2 = self._make_layer(BasicBlock, 2 * WIDTH, 2, stride=2)
        self.layer3 = self._make_layer(BasicBlock, 4 * WIDTH, 2, stride=2)
        self.layer4 = self._make_layer(BasicBlock, 8 * WIDTH, 2, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * WIDTH, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


@pytest.fixture(scope="module")
def tiny_network() -> Iterator[None]:
    """Replace the network that this process builds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "resnet18", TinyResNet)
        yield
