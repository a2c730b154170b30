"""The benchmark runs, small, and its nights balance; its figures are not looked at."""

import json
import subprocess
import sys

import pytest

from ml.settings import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SMALL = ["--nights", "1200", "--rows", "3000", "--again", "1100", "--keys", "25"]
STEPS = {"discover", "write_back", "reconcile", "report"}


def test_nights_beside_old_rows_and_a_real_bucket() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale_out", *SMALL],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # `reconcile` would have raised
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["nights"]) == {"1,200 photos", "1,100 photos beside 3,000 old ones"}
    assert all(set(steps) == STEPS for steps in result["nights"].values())
    assert result["bucket"]["keys"] == 25
    assert result["gib"] > 0
