"""Every backend computes the same function, and no photo's logits depend on its batch."""

import re
import subprocess
import sys
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable
from ml.core.settings import ROOT
from ml.core.types import ArchitectureName
from ml.models.checkpoint import Checkpoint, load_checkpoint
from ml.models.inference import openvino_backend
from ml.models.inference.create import computes_bfloat16
from ml.models.predictor import Predictor, runtime_fingerprint
from ml.vision.images.preprocess import normalize
from tests.support.champion import SPEC, make_champion

CPU = torch.device("cpu")
OPENVINO = Computation("openvino", "float32")
EVERY = [REFERENCE, Computation("torch", "bfloat16"), OPENVINO]
needs_bfloat16 = pytest.mark.skipif(not computes_bfloat16(), reason="this CPU has no bfloat16")
BFLOAT16 = pytest.param(Computation("openvino", "bfloat16"), marks=needs_bfloat16)


@pytest.fixture(scope="module", params=get_args(ArchitectureName))
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    folder = tmp_path_factory.mktemp("version")
    make_champion(folder, architecture=request.param)
    return load_checkpoint(folder)


def _pixels(count: int) -> list[npt.NDArray[np.uint8]]:
    shape = (count, 3, SPEC.crop, SPEC.crop)
    return list(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def _predictor(checkpoint: Checkpoint, computation: Computation, batch_size: int = 8) -> Predictor:
    return Predictor(checkpoint, device=CPU, batch_size=batch_size, computation=computation)


@pytest.mark.parametrize(
    ("computation", "tolerance"),
    [(OPENVINO, 1e-3), (EVERY[1], 0.5), pytest.param(*BFLOAT16.values, 0.5, marks=needs_bfloat16)],
    ids=str,
)
def test_every_computation_gives_the_logits_of_the_reference(
    checkpoint: Checkpoint, computation: Computation, tolerance: float
) -> None:
    pixels = _pixels(11)
    expected = _predictor(checkpoint, REFERENCE).logits(pixels)
    found = _predictor(checkpoint, computation).logits(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize("computation", [*EVERY, BFLOAT16], ids=str)
def test_logits_do_not_depend_on_the_batch_or_the_position(
    checkpoint: Checkpoint, computation: Computation
) -> None:
    predictor, pixels = _predictor(checkpoint, computation), _pixels(20)
    together = predictor.logits(pixels)
    np.testing.assert_array_equal(predictor.logits(pixels[::-1])[::-1], together)
    for i in (0, 7, 19):
        np.testing.assert_array_equal(predictor.logits(pixels[i : i + 1]), together[i : i + 1])
    # As in a shard that was killed, and resumed in another process.
    resumed = _predictor(checkpoint, computation)
    np.testing.assert_array_equal(resumed.logits(pixels[5:]), together[5:])


@pytest.mark.parametrize("computation", [*EVERY, BFLOAT16], ids=str)
def test_features_change_no_bit_of_the_logits(
    checkpoint: Checkpoint, computation: Computation
) -> None:
    pixels = _pixels(5)
    plain = _predictor(checkpoint, computation)
    both = Predictor(
        checkpoint, device=CPU, batch_size=8, computation=computation, with_features=True
    )
    np.testing.assert_array_equal(both.logits(pixels), plain.logits(pixels))
    assert plain.submit(pixels)().features is None
    scores, features = both.submit(pixels)()
    assert scores == plain.scores(pixels)
    network = checkpoint.build_network()
    images = normalize(torch.from_numpy(np.stack(pixels)), SPEC)
    with torch.inference_mode():
        expected = network.features(images).numpy()
    tolerance = 1e-3 if computation.number_type == "float32" else 0.1 * np.abs(expected).max()
    np.testing.assert_allclose(features, expected, atol=tolerance)


def test_number_type_that_the_machine_does_not_use_is_unavailable(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OpenVINO ignores a number type that the CPU lacks, and says so only when asked.
    monkeypatch.setitem(openvino_backend._PRECISIONS, "bfloat16", openvino_backend.ov.Type.f64)
    with pytest.raises(ComputationUnavailable):
        _predictor(checkpoint, Computation("openvino", "bfloat16"))


def test_runtime_records_the_computation_and_openvino() -> None:
    named = runtime_fingerprint(8, OPENVINO)
    assert (named["backend"], named["number_type"]) == ("openvino", "float32")
    assert named["openvino"].count(".") == 2
    assert Computation.from_names(named) == OPENVINO
    assert "openvino" not in runtime_fingerprint(8, REFERENCE)


def test_openvino_and_nncf_send_no_usage_data() -> None:
    program = (
        "import sys, threading, ml.models.inference.openvino_backend, nncf; "
        "assert sys.modules['openvino_telemetry'] is None; "
        "from nncf.telemetry import telemetry; "
        "assert type(telemetry).__name__ != 'NNCFTelemetry'"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_openvino_is_imported_below_the_package_that_stops_its_usage_data() -> None:
    importing = re.compile(r"^\s*(import|from) openvino\b", re.MULTILINE)
    found = {
        path.parent.relative_to(ROOT).as_posix()
        for folder in ("ml", "plugins", "dags", "devtools", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if importing.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"ml/models/inference"}
