import torch

from ml.models.checkpoint import build_network
from ml.models.distillation.losses import IMAGENET_CLASSES, TEACHER_CHANNELS
from ml.models.distillation.student import Student, trunk_state


def test_student_outputs_have_the_channels_of_the_teacher() -> None:
    view = Student().eval()(torch.zeros(2, 3, 64, 64))
    for name, stride in (("stride_8", 8), ("stride_16", 16), ("stride_32", 32)):
        side = 64 // stride
        assert getattr(view, name).shape == (2, TEACHER_CHANNELS[name], side, side)
    assert view.pooled.shape == (2, TEACHER_CHANNELS["stride_32"])
    assert view.logits.shape == (2, IMAGENET_CLASSES)


def test_student_trunk_has_the_names_of_torchvisions_resnet18_without_head() -> None:
    student = Student()
    trunk = trunk_state(student.state_dict())
    expected = {n: t for n, t in build_network(2).state_dict().items() if not n.startswith("fc.")}
    assert trunk.keys() == expected.keys()
    assert all(trunk[n].shape == t.shape for n, t in expected.items())
    assert torch.equal(trunk["conv1.weight"], student.trunk.conv1.weight)
