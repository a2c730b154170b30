"""The backend `torch`: the same scores whether batches are computed at once, or on streams."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ml.core.computation import Computation
from ml.core.errors import ComputationUnavailable
from ml.models.checkpoint import Checkpoint, build_network, load_checkpoint
from ml.models.inference import create, streams
from ml.models.inference.backend import Logits
from ml.models.inference.streams import CudaStream, create_streams
from ml.models.inference.torch_backend import TorchBackend, preferred_number_type
from ml.models.predictor import Predictor
from tests.support.champion import SPEC, make_champion
from tests.support.delayed_streams import delayed_streams

BATCH = 4
CPU = torch.device("cpu")
NUMBER_TYPES = ("float32", "bfloat16")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

Photos = list[npt.NDArray[np.uint8]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("version")
    make_champion(folder)
    return load_checkpoint(folder)


def _pixels(count: int) -> Photos:
    shape = (count, 3, SPEC.crop, SPEC.crop)
    return list(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def _predictor(
    checkpoint: Checkpoint, number_type: str, device: torch.device = CPU, batch_size: int = BATCH
) -> Predictor:
    computation = Computation("torch", number_type)  # type: ignore[arg-type]  # one of two
    return Predictor(checkpoint, device=device, batch_size=batch_size, computation=computation)


def _submitted(predictor: Predictor, pixels: Photos) -> list[dict[str, float]]:
    """Scores of batches that are submitted one ahead, as the nightly run does on a GPU."""
    starts = range(0, len(pixels), BATCH)
    scores, begun = [], []
    for i in starts:
        begun.append(predictor.submit(pixels[i : i + BATCH]))
        if len(begun) > predictor.ahead:
            scores += begun.pop(0)().scores
    return scores + [score for wait in begun for score in wait().scores]


@pytest.mark.parametrize("number_type", NUMBER_TYPES)
def test_streams_give_the_scores_of_the_caller(
    checkpoint: Checkpoint, number_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = _pixels(4 * BATCH + 1)
    here = _predictor(checkpoint, number_type)
    expected = here.scores(pixels)
    assert here.ahead == 0
    assert _submitted(here, pixels) == expected
    monkeypatch.setattr(
        "ml.models.inference.torch_backend.create_streams",
        lambda _: delayed_streams(copy=0.01, compute=0.01),
    )
    streamed = _predictor(checkpoint, number_type)
    assert streamed.ahead == 1
    assert _submitted(streamed, pixels) == expected
    assert streamed.scores(pixels) == expected


def test_too_little_memory_is_unavailable_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("ml.models.inference.torch_backend.BatchBuffers", fail)
    with pytest.raises(ComputationUnavailable, match=r"batches of 4.*MODERATION_BATCH_SIZE"):
        create.create_backend(
            lambda: build_network(2).eval(),
            SPEC,
            Computation("torch", "float32"),
            device=CPU,
            batch_size=BATCH,
        )


def test_a_cpu_reads_pixels_where_they_were_written() -> None:
    streams_here = create_streams(CPU)
    backend = TorchBackend(
        build_network(2).eval(), SPEC, device=CPU, number_type="float32", batch_size=BATCH
    )
    [buffer] = backend._buffers._buffers
    assert streams_here.buffers == 1
    assert buffer.on_device is buffer.pixels


def _compute(checkpoint: Checkpoint, number_type: str, pixels: Photos) -> Logits:
    return _predictor(checkpoint, number_type, torch.device("cuda")).logits(pixels)


@pytest.mark.gpu
@needs_gpu
def test_gpu_gives_the_scores_of_the_cpu_but_for_rounding(checkpoint: Checkpoint) -> None:
    pixels = _pixels(4 * BATCH + 1)
    expected = _predictor(checkpoint, "float32").logits(pixels)
    number_type = preferred_number_type(torch.device("cuda"))
    np.testing.assert_allclose(_compute(checkpoint, "float32", pixels), expected, atol=0.05)
    np.testing.assert_allclose(_compute(checkpoint, number_type, pixels), expected, atol=0.5)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("number_type", NUMBER_TYPES)
def test_cuda_graph_gives_the_scores_of_the_network(
    checkpoint: Checkpoint, number_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, captured = _pixels(4 * BATCH + 1), []
    capture = CudaStream._capture
    monkeypatch.setattr(CudaStream, "_capture", lambda *args: captured.append(1) or capture(*args))
    predictor = _predictor(checkpoint, number_type, torch.device("cuda"))
    with_graph = predictor.logits(pixels)
    assert captured == [1]
    np.testing.assert_array_equal(predictor.logits(pixels[::-1])[::-1], with_graph)

    def fail(*_: object) -> None:
        raise RuntimeError("capture failed")

    monkeypatch.setattr(CudaStream, "_capture", fail)
    np.testing.assert_array_equal(_compute(checkpoint, number_type, pixels), with_graph)


@pytest.mark.gpu
@needs_gpu
def test_a_batch_that_does_not_fit_into_the_gpu_is_unavailable(checkpoint: Checkpoint) -> None:
    device = torch.device("cuda")
    torch.cuda.set_per_process_memory_fraction(0.001)
    try:
        with pytest.raises(ComputationUnavailable, match="MODERATION_BATCH_SIZE"):
            _predictor(checkpoint, "float32", device, batch_size=4096)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert len(_compute(checkpoint, "float32", _pixels(1))) == 1
    assert streams.create_streams(device).buffers == 2
