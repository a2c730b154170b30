"""OpenMP's threads wait instead of spinning, unless whoever starts the process says otherwise."""

import os
import subprocess
import sys

import pytest

from ml.core.settings import ROOT

SHOWN = "import os, sys, ml; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"


@pytest.mark.parametrize(("given", "holds"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_library_says_so_before_torch_is_loaded(given: str | None, holds: str) -> None:
    environment = {n: v for n, v in os.environ.items() if n != "OMP_WAIT_POLICY"}
    if given is not None:
        environment["OMP_WAIT_POLICY"] = given
    shown = subprocess.run(
        [sys.executable, "-c", SHOWN], cwd=ROOT, env=environment, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert shown.stdout.split() == [holds, "False"]
