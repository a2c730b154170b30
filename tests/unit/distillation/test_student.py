import torch

from ml.distillation.seen import IMAGENET_CLASSES, TEACHER_CHANNELS
from ml.distillation.student import Student, trunk_state
from ml.model.resnet18 import build


def test_its_view_has_the_teachers_channels_at_three_strides() -> None:
    view = Student().eval()(torch.zeros(2, 3, 64, 64))
    for name, stride in (("stride_8", 8), ("stride_16", 16), ("stride_32", 32)):
        side = 64 // stride
        assert getattr(view, name).shape == (2, TEACHER_CHANNELS[name], side, side)
    assert view.pooled.shape == (2, TEACHER_CHANNELS["stride_32"])
    assert view.logits.shape == (2, IMAGENET_CLASSES)


def test_its_trunk_is_torchvisions_resnet18_without_a_head() -> None:
    student = Student()
    trunk = trunk_state(student.state_dict())
    expected = {n: t for n, t in build(2).state_dict().items() if not n.startswith("fc.")}
    assert trunk.keys() == expected.keys()
    assert all(trunk[n].shape == t.shape for n, t in expected.items())
    assert torch.equal(trunk["conv1.weight"], student.trunk.conv1.weight)
