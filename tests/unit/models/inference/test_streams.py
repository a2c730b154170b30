"""What is said to CUDA, where there is none: order of the calls, and the way without a graph."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from structlog.testing import capture_logs

from ml.models.inference.streams import CudaStream

GPU = torch.device("cuda")
BATCH = torch.ones(2, 3)


class _Cuda:
    """Writes down the calls; each operation is carried out at once."""

    calls: list[str] = []  # noqa: RUF012 - one list for all of its parts
    error: Exception | None = None

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.calls.append("forward")
        return batch.sum(1)

    def synchronize(self) -> None:
        self.calls.append("synchronize")


class _Stream(_Cuda):
    def __init__(self, device: torch.device) -> None:
        assert device == GPU

    def wait_event(self, event: object) -> None:
        assert isinstance(event, _Event)
        self.calls.append("wait")


class _Event(_Cuda):
    def __init__(self, *, blocking: bool) -> None:
        assert blocking

    def record(self) -> None:
        self.calls.append("record")


class _Graph(_Cuda):
    def replay(self) -> None:
        self.calls.append("replay")


@contextmanager
def _capture(graph: object, *, stream: object, capture_error_mode: str) -> Iterator[None]:
    assert (type(graph), type(stream)) == (_Graph, _Stream)
    assert capture_error_mode == "thread_local"
    _Cuda.calls.append("capture")
    yield
    if _Cuda.error:
        raise _Cuda.error


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> _Cuda:
    fake = _Cuda()
    parts = {"Stream": _Stream, "Event": _Event, "CUDAGraph": _Graph, "graph": _capture}
    for name, part in parts.items():
        monkeypatch.setattr(torch.cuda, name, part)
    for name in ("stream", "device"):
        monkeypatch.setattr(torch.cuda, name, lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", fake.synchronize)
    monkeypatch.setattr(_Cuda, "calls", [])
    monkeypatch.setattr(_Cuda, "error", None)
    return fake


def test_operation_begins_after_the_event_and_records_its_own(cuda: _Cuda) -> None:
    copies, computations = CudaStream(GPU), CudaStream(GPU)
    copied = copies.run(lambda: cuda.calls.append("copy"))
    computed = computations.run(lambda: cuda.calls.append("compute"), after=copied)
    computed.synchronize()
    assert cuda.calls == ["copy", "record", "wait", "compute", "record", "synchronize"]


def test_function_is_warmed_up_captured_and_replayed(cuda: _Cuda) -> None:
    prepared = CudaStream(GPU).prepare(cuda.forward, torch.zeros_like(BATCH))
    warm_up = ["synchronize", *["forward"] * 3]
    assert cuda.calls == [*warm_up, "capture", "forward"]
    first = prepared(BATCH)
    assert cuda.calls[-1] == "replay"
    assert prepared(BATCH) is first  # the memory of the capture


def test_function_is_used_as_it_is_where_the_capture_fails(cuda: _Cuda) -> None:
    _Cuda.error = RuntimeError("operation not permitted when stream is capturing")
    with capture_logs() as logs:
        prepared = CudaStream(GPU).prepare(cuda.forward, torch.zeros_like(BATCH))
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("warning", "computing without a CUDA graph")
    ]
    assert prepared(BATCH).tolist() == [3.0, 3.0]
    assert "replay" not in cuda.calls


def test_too_little_memory_for_the_capture_is_raised(cuda: _Cuda) -> None:
    _Cuda.error = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(torch.OutOfMemoryError):
        CudaStream(GPU).prepare(cuda.forward, torch.zeros_like(BATCH))
