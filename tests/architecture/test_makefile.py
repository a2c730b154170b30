"""The verbs of the Makefile: what each would run is there. None is run here: a test runs in one."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import version
from importlib.util import find_spec

import pytest

from ml.core.settings import ROOT
from tests.architecture.pages import read

VERBS = sorted(re.findall(r"^([a-z-]+):.*##", read("Makefile"), re.MULTILINE))
TOOLS = {
    "ruff": ("--version",),
    "mypy": ("--version",),
    "uv": ("--version",),
    "lint-imports": ("--help",),
}


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


def _is_importable(module: str) -> bool:
    # Setuptools' finder, asked for pip, warns where another test of this process has imported
    # distutils: PathFinder does not ask it, but knows no submodules.
    find = find_spec if "." in module else PathFinder.find_spec
    return find(module) is not None


def test_there_are_verbs() -> None:
    assert {"demo", "test", "check", "up", "down"} <= set(VERBS)


WITHOUT_VENV = {"help", "setup", "clean", "image"}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in WITHOUT_VENV])
def test_each_verb_calls_programs_that_are_there(verb: str) -> None:
    lines = [line for line in _recipe(verb) if line.startswith(".venv/bin/")]
    calls = re.findall(r"^\.venv/bin/(\S+) ?(.*)$", "\n".join(lines), re.MULTILINE)
    assert calls
    for program, arguments in calls:
        if program != "python":
            assert program in TOOLS
            continue
        _, module, *rest = arguments.split()
        assert _is_importable(module), module
        if rest and module in ("ml", "devtools"):
            assert re.search(rf"\b{rest[0]}\b", _help(module)), arguments


def test_help_lists_every_verb() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert [line.split()[0] for line in said.stdout.splitlines()] == re.findall(
        r"^([a-z-]+):.*##", read("Makefile"), re.MULTILINE
    )


def test_the_environment_follows_the_lock() -> None:
    assert "$(VENV)/.ready: uv.lock\n" in read("Makefile")
    setup = _recipe("setup")
    assert any(line.startswith(".venv/bin/uv sync") and "--frozen" in line for line in setup)
    [bootstrap] = [line for line in setup if "pip install" in line]
    assert "grep -om1 'uv==[0-9.]*' pyproject.toml" in bootstrap
    assert re.findall(r"uv==[0-9.]*", read("pyproject.toml")) == [f"uv=={version('uv')}"]


def test_the_image_is_tagged_with_the_version_and_built_by_either_engine() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    tag = f"{project['name']}:{project['version']}-cpu"
    for variables, engine in ((), "docker"), (("ENGINE=podman",), "podman"):
        [line] = _recipe("image", *variables)
        assert line == f"{engine} build --file deploy/Dockerfile --target cpu --tag {tag} ."


def test_one_package_can_be_upgraded() -> None:
    assert ".venv/bin/uv lock --quiet --upgrade-package torch" in _recipe("lock", "UPGRADE=torch")


@pytest.mark.parametrize("verb", ["demo", "demo-retrain"])
def test_dataset_reaches_the_demo(verb: str) -> None:
    assert f'devtools {verb} --dataset "my photos"' in "\n".join(_recipe(verb, "DATASET=my photos"))
