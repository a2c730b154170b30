import torch

from ml.models.checkpoint import build_network
from ml.models.distillation.networks import (
    IMAGENET_CLASSES,
    TEACHER_CHANNELS,
    Student,
    load_teacher,
)


def test_teacher_outputs_are_those_of_its_network_and_are_frozen() -> None:
    torch.manual_seed(0)
    squares = torch.randn(2, 3, 64, 64)
    teacher = load_teacher()
    maps = teacher(squares)
    for name, stride in (("stride_8", 8), ("stride_16", 16), ("stride_32", 32)):
        side = 64 // stride
        assert getattr(maps, name).shape == (2, TEACHER_CHANNELS[name], side, side)
    assert maps.logits.shape == (2, IMAGENET_CLASSES)
    with torch.inference_mode():
        expected = teacher._network(squares)
    apart = (maps.logits - expected).abs().mean(1) / expected.std(1)
    assert bool((apart < 0.1).all())  # bfloat16 beside float32
    assert not any(p.requires_grad for p in teacher.parameters())


def test_student_outputs_have_the_channels_of_the_teacher() -> None:
    maps = Student().eval()(torch.zeros(2, 3, 64, 64))
    for name, stride in (("stride_8", 8), ("stride_16", 16), ("stride_32", 32)):
        side = 64 // stride
        assert getattr(maps, name).shape == (2, TEACHER_CHANNELS[name], side, side)
    assert maps.pooled.shape == (2, TEACHER_CHANNELS["stride_32"])
    assert maps.logits.shape == (2, IMAGENET_CLASSES)


def test_student_trunk_has_the_names_of_torchvisions_resnet18_without_head() -> None:
    student = Student()
    trunk = student.trunk.state_dict()
    expected = {n: t for n, t in build_network(2).state_dict().items() if not n.startswith("fc.")}
    assert trunk.keys() == expected.keys()
    assert all(trunk[n].shape == t.shape for n, t in expected.items())
    assert torch.equal(trunk["conv1.weight"], student.trunk.conv1.weight)
