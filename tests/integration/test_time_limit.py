"""A test over its time limit fails the run, if it is over it alone too."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]
CONFTEST = """
from tests.support import time_limit

time_limit.OWN_SECONDS = 0.3
time_limit.speed_of_machine = lambda: time_limit.REFERENCE
"""
SLOW_ONCE = """
import time
from pathlib import Path

def test_slow_once():
    if not Path("run_before").exists():
        Path("run_before").touch()
        time.sleep(0.5)
"""
ALWAYS_SLOW = """
import time

def test_always_slow():
    time.sleep(0.5)
"""


def _run(folder: Path, **files: str) -> subprocess.CompletedProcess[str]:
    for name, content in {"conftest": CONFTEST, **files}.items():
        (folder / f"{name}.py").write_text(content)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p tests.support.time_limit\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_test_that_is_fast_alone_does_not_fail_the_run(tmp_path: Path) -> None:
    run = _run(tmp_path, test_a=SLOW_ONCE)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "TOO SLOW: test_a.py::test_slow_once" in run.stdout


def test_test_that_is_slow_alone_fails_the_run(tmp_path: Path) -> None:
    run = _run(tmp_path, test_a=SLOW_ONCE, test_b=ALWAYS_SLOW)
    assert run.returncode == 1, run.stdout + run.stderr
    alone = run.stdout.split("Run once more, alone:")[1]
    assert "TOO SLOW: test_b.py::test_always_slow" in alone
    assert "TOO SLOW: test_a.py" not in alone
