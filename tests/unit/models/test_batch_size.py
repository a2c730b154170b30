"""The batch size of a run: measured on a GPU only, unless it is set."""

from pathlib import Path

import pytest
import torch

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable
from ml.core.settings import Settings
from ml.models import batch_size
from ml.models.batch_size import SIZES, choose_batch_size, find_batch_size, measure_speed
from ml.models.checkpoint import Checkpoint, load_checkpoint
from tests.support.champion import make_champion

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder: Path = tmp_path_factory.mktemp("version")
    make_champion(folder)
    return load_checkpoint(folder)


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ([1000, 1900, 3000, 3900, 4000, 4010], 256),
        ([4000, 3900, 3900, 3900, 3900, 3900], 32),
        ([1000, 2000, 4000, 8000, 16000, 32000], 1024),
        ([1000, 2000, 4000, None, 9000, 9000], 128),  # does not fit
        ([1000, None], 32),
    ],
)
def test_smallest_size_that_is_nearly_as_fast_as_the_best(
    speeds: list[float | None], expected: int
) -> None:
    by_size = dict(zip(SIZES, speeds, strict=False))

    def measure(size: int) -> float:
        speed = by_size[size]
        if speed is None:
            raise ComputationUnavailable("too little memory")
        return speed

    assert find_batch_size(measure) == expected


def test_gpu_without_memory_for_the_smallest_size_is_unavailable() -> None:
    def measure(_: int) -> float:
        raise ComputationUnavailable("too little memory")

    with pytest.raises(ComputationUnavailable, match="too little memory"):
        find_batch_size(measure)


@pytest.mark.parametrize(
    ("settings", "computation", "device"),
    [
        (Settings(), REFERENCE, CPU),
        (Settings(batch_size=7), REFERENCE, CPU),
        (Settings(batch_size=32), REFERENCE, GPU),
        (Settings(), Computation("openvino", "float32"), GPU),  # computes on the CPU
    ],
)
def test_nothing_is_measured_without_need(
    settings: Settings,
    computation: Computation,
    device: torch.device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(batch_size, "find_batch_size")

    def load() -> Checkpoint:
        raise AssertionError("the version is not needed")

    found = choose_batch_size(load, computation, settings=settings, device=device)
    assert found == settings.batch_size


def test_speed_is_measured_on_a_cpu_as_on_a_gpu(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_size, "MIN_SECONDS", 0.01)
    assert measure_speed(checkpoint, REFERENCE, CPU, 2) > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_measures_its_batch_size(checkpoint: Checkpoint) -> None:
    found = choose_batch_size(
        lambda: checkpoint, Computation("torch", "bfloat16"), settings=Settings(), device=GPU
    )
    assert found in SIZES
