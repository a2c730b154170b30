"""The verbs of the Makefile: what each would run is there. None is run here: a test runs in one."""

import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec

import pytest

from ml.settings import ROOT
from tests.architecture.pages import read

VERBS = sorted(re.findall(r"^([a-z]+):.*##", read("Makefile"), re.MULTILINE))
TOOLS = {"ruff": ("--version",), "mypy": ("--version",), "uv": ("--version",)}


def _recipe(verb: str, *variables: str) -> list[str]:
    """What make would run, without running it."""
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", "--no-print-directory", verb, *variables],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return said.stdout.splitlines()


@cache
def _help(module: str) -> str:
    """The help of one of our command lines."""
    said = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True,
        check=True, env={"COLUMNS": "200", "PATH": ""},
    )  # fmt: skip
    return said.stdout


def test_there_are_verbs() -> None:
    assert {"demo", "test", "check", "up", "down"} <= set(VERBS)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("help", "setup")])
def test_each_verb_calls_programs_that_are_there(verb: str) -> None:
    lines = [line for line in _recipe(verb) if line.startswith(".venv/bin/")]
    calls = re.findall(r"^\.venv/bin/(\S+) ?(.*)$", "\n".join(lines), re.MULTILINE)
    assert calls
    for program, arguments in calls:
        if program != "python":
            assert program in TOOLS
            continue
        _, module, *rest = arguments.split()
        assert find_spec(module) is not None
        if rest and module in ("ml", "stack"):
            assert re.search(rf"\b{rest[0]}\b", _help(module)), arguments


def test_help_lists_every_verb() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert [line.split()[0] for line in said.stdout.splitlines()] == re.findall(
        r"^([a-z]+):.*##", read("Makefile"), re.MULTILINE
    )


@pytest.mark.parametrize("verb", ["demo", "month"])
def test_a_folder_of_ones_own_reaches_the_demo(verb: str) -> None:
    assert f'stack {verb} --dataset "my photos"' in "\n".join(_recipe(verb, "DATASET=my photos"))
