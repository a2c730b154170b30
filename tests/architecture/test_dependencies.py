"""pyproject.toml names every dependency once; uv.lock and requirements.txt follow it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ml.core.settings import ROOT
from tests.architecture.pages import read

UV = Path(sys.executable).with_name("uv")
PROJECT = tomllib.loads(read("pyproject.toml"))
LISTS = read("pyproject.toml").split("\n[tool.")[0]
REQUIREMENTS = re.findall(r'^    "([^"]+)",(?: *# (.+))?$', LISTS, re.MULTILINE)


def uv(*arguments: str) -> None:
    """Run uv without the network.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run(
        [UV, *arguments, "--offline", "--quiet"], cwd=ROOT, check=True, capture_output=True
    )


def bare(text: str) -> list[str]:
    """The lines of a requirements file without its comments."""
    return [line for line in text.splitlines() if not line.strip().startswith("#")]


def test_the_lock_fits_pyproject() -> None:
    uv("lock", "--check")


def test_requirements_txt_is_what_make_lock_exports(tmp_path: Path) -> None:
    [command] = re.findall(
        r"\$\(BIN\)/uv (export .*) -o requirements\.txt$", read("Makefile"), re.MULTILINE
    )
    uv(*command.split(), "-o", str(tmp_path / "requirements.txt"))
    exported = (tmp_path / "requirements.txt").read_text(encoding="utf-8")
    assert bare(read("requirements.txt")) == bare(exported)


def test_the_lock_names_only_public_addresses() -> None:
    lock = read("uv.lock")
    addresses = set(re.findall(r"\w+://[^/\"]+/[^/\"]+", lock))
    assert addresses == {"https://pypi.org/simple", "https://files.pythonhosted.org/packages"}
    sources = set(re.findall(r"^source = \{ (\w+) = ", lock, re.MULTILINE))
    assert sources == {"registry", "virtual"}


def test_there_is_no_other_list_of_dependencies() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [name for name in tracked if "requirements" in name and not name.endswith(".py")] == [
        "requirements.txt"
    ]


def test_every_requirement_is_found() -> None:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), *groups.values()]
    assert [name for name, _ in REQUIREMENTS] == [name for names in lists for name in names]


@pytest.mark.parametrize(
    ("requirement", "reason"), REQUIREMENTS, ids=[requirement for requirement, _ in REQUIREMENTS]
)
def test_each_requirement_says_what_it_is_for(requirement: str, reason: str) -> None:
    assert reason, requirement
    for path in re.findall(r"(?<![\w.])((?:\w+/|\.)[\w./-]*)", reason):
        assert (ROOT / path).exists(), path
