"""The ONNX file gives the version's scores in onnxruntime, for every batch size."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]  # ships no types
import pytest
import torch

from ml.core.errors import ModelError
from ml.core.types import ArchitectureName
from ml.models.card import Calibration
from ml.models.checkpoint import Checkpoint, load_checkpoint
from ml.models.export.onnx_model import OPSET, check_onnx, export_onnx
from ml.models.load_check import TOLERANCE, make_test_pictures
from ml.vision.images.preprocess import normalize
from tests.support.champion import make_champion

Logits = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def _version(folder: Path, architecture: ArchitectureName) -> Checkpoint:
    make_champion(folder, architecture=architecture)
    checkpoint = load_checkpoint(folder)
    calibrated = checkpoint.card.model_copy(
        update={"calibration": Calibration(temperature=2.5, fitted_on=40)}
    )
    return replace(checkpoint, card=calibrated)


def _probe(version: Checkpoint) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], Logits]:
    spec = version.card.preprocessing
    pixels = np.stack(make_test_pictures(spec.crop))
    with torch.inference_mode():
        logits = version.build_network()(normalize(torch.from_numpy(pixels), spec))
    return pixels, logits.numpy()


@pytest.fixture(scope="module", params=["resnet18", "efficientnet_lite0"])
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return _version(tmp_path_factory.mktemp("version"), request.param)


@pytest.fixture(scope="module")
def exported(version: Checkpoint) -> bytes:
    return export_onnx(version)


def test_onnxruntime_gives_the_scores_of_the_probe(version: Checkpoint, exported: bytes) -> None:
    assert check_onnx(exported, version.card, *_probe(version)) <= TOLERANCE


def test_probabilities_are_calibrated_for_any_batch_size(
    version: Checkpoint, exported: bytes
) -> None:
    pixels, logits = _probe(version)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    for photos in (1, 3, len(pixels)):
        (found,) = session.run(["probabilities"], {"pixels": pixels[:photos]})
        expected = torch.softmax(torch.from_numpy(logits[:photos]) / 2.5, dim=1).numpy()
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_metadata_say_how_to_use_the_file(version: Checkpoint, exported: bytes) -> None:
    model = onnx.load_model_from_string(exported)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(said["classes"]) == ["normal", "violate"]
    assert said["model_hash"] == version.card.model_hash
    assert float(said["temperature"]) == 2.5
    assert json.loads(said["preprocessing"])["crop"] == 32
    assert [entry.version for entry in model.opset_import] == [OPSET]


def test_other_scores_than_the_probe_are_refused(version: Checkpoint, exported: bytes) -> None:
    pixels, logits = _probe(version)
    with pytest.raises(ModelError, match="other scores than its probe"):
        check_onnx(exported, version.card, pixels, logits + 2 * TOLERANCE)
    cold = version.card.model_copy(
        update={"calibration": Calibration(temperature=1.0, fitted_on=40)}
    )
    with pytest.raises(ModelError, match="other scores than its probe"):
        check_onnx(exported, cold, pixels, logits)
