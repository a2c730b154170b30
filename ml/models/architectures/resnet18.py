"""ResNet18 (He et al. 2015, arXiv:1512.03385), with torchvision's layers and names."""

from collections.abc import Sequence

from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from ml.models.architectures.classifier import Classifier


class ResNet18(Classifier, ResNet):  # type: ignore[misc]  # torchvision ships no types
    """ResNet18 for a number of classes, with random weights."""

    architecture = "resnet18"
    head_name = "fc"
    channels = (128, 256, 512)

    def __init__(self, classes: int) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2], num_classes=classes)

    @property
    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """As `Classifier.stages`."""
        layers = dict(self.named_children())
        parts = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2"), ("layer3",), ("layer4",)
        return [[layers[name] for name in part] for part in parts]
