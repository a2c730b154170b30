"""The benchmark of the forward pass on a GPU, by its CPU twin."""

from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from tests.support.champion import SPEC


def test_without_a_gpu_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main(price=1.0, out=tmp_path / "gpu.md")
    assert capsys.readouterr().out.strip() == "no GPU: not measured"
    assert list(tmp_path.iterdir()) == []


def test_row_has_speeds_and_money(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SECONDS", 0.01)
    row = gpu.measure(SPEC, 2, torch.device("cpu"), "float32")
    assert min(row.one_by_one, row.graph, row.nightly_run) > 0
    assert row.computing > 0
    assert len(row.cells(None)) == len(gpu.COLUMNS)


def test_money_per_million_follows_from_the_speed_of_the_nightly_run() -> None:
    row = gpu.Row(64, 100.0, 200.0, 1000.0, 0.5, 12.0)
    assert row.cells(3.6) == ("64", "100", "200", "1,000", "50%", "12", "$1.00")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SECONDS", 0.05)
    monkeypatch.setattr(gpu, "SIZES", (32,))
    gpu.main(price=1.0, out=tmp_path / "gpu.md")
    assert (tmp_path / "gpu.md").read_text(encoding="utf-8").count("| 32 |") == 2
