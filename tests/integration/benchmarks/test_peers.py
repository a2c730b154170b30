"""The benchmarks of speed run at a small size; their figures are not checked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ml.core.settings import ROOT
from tests.support.photos import BRIGHT, DARK, photo

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

PHOTOS = 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(PHOTOS):
        data = photo(BRIGHT if number % 2 else DARK, seed=number)
        (tmp_path / f"{number}.jpg").write_bytes(data)
    return tmp_path


def _run(module: str, *arguments: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_peers_writes_a_line_for_each_system_and_a_chart(folder: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart.svg"
    arguments = [
        "--photos",
        str(PHOTOS),
        "--rounds",
        "1",
        "--systems",
        "article,ours",
        "--no-screens",
    ]
    variant = ["--ours", "MODERATION_BATCH_SIZE=8", "--chart", str(chart)]
    machine, *lines = _run("benchmarks.peers", "--data", str(folder), *arguments, *variant)
    assert machine["calibration"]
    assert {line["name"] for line in lines if line["crop"] == 128} == {
        "ours",
        "ours, MODERATION_BATCH_SIZE=8",
    }
    assert {line["system"] for line in lines if line["crop"] == 224} == {
        "article",
        "ours",
        "ceiling",
    }
    assert all(line["photos"] == PHOTOS and line["cpu_seconds"] for line in lines)
    assert chart.stat().st_size > 0


def test_fetch_measures_both_readers(folder: Path) -> None:
    arguments = ["--photos", str(PHOTOS), "--reads", "40", "--rounds", "1"]
    (line,) = _run("benchmarks.fetch", "--data", str(folder), *arguments)
    rounds = line["rounds"]
    assert isinstance(rounds, list)
    assert [(each["reader"], each["threads"]) for each in rounds] == [
        ("boto3", 1),
        ("obstore", 1),
        ("boto3", 16),
        ("obstore", 16),
    ]
