import torch
from torchvision.models import resnet18

from ml.models.architectures.resnet18 import ResNet18


def test_resnet18_has_the_names_initial_weights_and_outputs_of_torchvisions() -> None:
    torch.manual_seed(5)
    expected = resnet18(weights=None, num_classes=3).eval()
    torch.manual_seed(5)
    network = ResNet18(3).eval()
    theirs, ours = expected.state_dict(), network.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    images = torch.randn(2, 3, 64, 48)
    with torch.inference_mode():
        assert torch.equal(network(images), expected(images))
