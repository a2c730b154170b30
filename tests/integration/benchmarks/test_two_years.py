"""The benchmark runs at a small size with each kind of statistics; its figures are not checked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.two_years_rows import STATISTICS
from ml.core.settings import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]


def test_two_years_records_statements_for_each_kind_of_statistics(tmp_path: Path) -> None:
    plans = tmp_path / "plans.json"
    options = ["--scale", "0.001", "--photos", "60", "--plans", str(plans)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.two_years", *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # `reconcile` would have raised
    recorded = json.loads(plans.read_text(encoding="utf-8"))
    assert set(recorded) == set(STATISTICS)
    assert all(len(executions) > 100 for executions in recorded.values())
