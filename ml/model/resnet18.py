"""The network: torchvision's ResNet18 with a head sized by the policy's classes."""

from torchvision.models import ResNet, resnet18


def build(classes: int) -> ResNet:
    """ResNet18 without start weights.

    Input (N, 3, H, W) float, normalised; output (N, classes) logits.
    """
    return resnet18(weights=None, num_classes=classes)
