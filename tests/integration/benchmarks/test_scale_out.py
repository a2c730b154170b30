"""The benchmark runs at a small size and its runs are reconciled; its figures are not checked."""

import json
import subprocess
import sys

import pytest

from ml.core.settings import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

SMALL = ["--nights", "1200", "--rows", "3000", "--again", "1100", "--keys", "25"]
STEPS = {"discover", "write_back", "reconcile", "report"}


def test_scale_out_measures_runs_with_old_rows_and_a_real_bucket() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale_out", *SMALL],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # `reconcile` would have raised
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["nights"]) == {"1,200 photos", "1,100 photos with 3,000 old ones"}
    assert all(set(steps) == STEPS for steps in result["nights"].values())
    assert result["bucket"]["keys"] == 25
    assert result["gib"] > 0
