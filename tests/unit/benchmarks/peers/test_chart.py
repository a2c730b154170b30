import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers.chart import Bar, bars, draw, read_lines, title
from benchmarks.peers.figures import Result


def _result(system: str, seconds: float) -> Result:
    return Result(0, system, system, 224, 100, seconds, 1.0, 500.0, 0.0, {})


def test_bar_is_the_median_with_the_distance_to_the_extremes() -> None:
    results = [_result("daft", 10), _result("daft", 5), _result("daft", 4), _result("ours", 2)]
    assert bars(results) == [
        Bar("daft, 224 px", 20.0, 10.0, 5.0, is_ours=False),
        Bar("ours, 224 px", 50.0, 0.0, 0.0, is_ours=True),
    ]


def test_same_figures_give_the_same_file(tmp_path: Path) -> None:
    drawn = bars([_result("daft", 10), _result("ours", 2)])
    for name in ("a.svg", "b.svg"):
        draw(drawn, "three photos", tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_written_lines_are_read_without_the_ceilings() -> None:
    daft, ceiling = _result("daft", 10), _result("ceiling", 3)
    lines = [{"machine": "CPU"}, *(asdict(each) | {"load": 0.1} for each in (daft, ceiling))]
    summary, results = read_lines("\n".join(json.dumps(line) for line in lines))
    assert summary == {"machine": "CPU"}
    assert results == [daft]


def test_title_names_photos_machine_and_calibration() -> None:
    summary = {"photos": 120, "machine": "CPU, 2 cores", "calibration": 24.04}
    assert title(summary) == "120 photos, CPU, 2 cores; ResNet18 alone: 24.0 images/s"
