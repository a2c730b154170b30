"""Every command of the READMEs and the runbook is run by a test that the table names."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.main import get_command

from ml.cli.main import app
from ml.core.settings import ROOT, Settings
from tests.architecture.commands import RUN_BY
from tests.architecture.pages import blocks, commands, read, words
from tests.support.servers import Shop

# The pages that an operator follows; a page that is not there yet has no commands. Those of
# docs/deployment.md want a container engine or a cluster; it says at its top what was not run.
PAGES = [
    page
    for page in (
        "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "docs/runbook.md", "docs/upgrading.md",
        "docs/retention.md", "docs/labels.md", "docs/predict.md",
    )
    if (ROOT / page).is_file()
]  # fmt: skip
ALL = sorted({(page, command) for page in PAGES for command in commands(read(page))})


def key_of(command: str) -> str:
    """The entry of RUN_BY that runs a command; "" where there is none."""
    named = [key for key in RUN_BY if f"{command} ".startswith(f"{key} ")]
    return max(named, key=len, default="")


@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{p}: {c}" for p, c in ALL])
def test_each_command_has_a_test(page: str, command: str) -> None:
    assert key_of(command), (
        f"{page} names `{command}`: add it to tests/architecture/commands.py with the test that "
        "runs it"
    )


@pytest.mark.parametrize(("command", "test"), sorted(RUN_BY.items()))
def test_each_test_that_is_named_is_there(command: str, test: str) -> None:
    file, _, function = test.partition("::")
    assert function in _functions(ROOT / file), f"{command}: {test}"


def test_the_table_names_nothing_that_no_page_does() -> None:
    unnamed = RUN_BY.keys() - {key_of(command) for _, command in ALL}
    # Verbs of the Makefile and commands of the library are documented by other tests.
    assert {k for k in unnamed if not k.startswith(("make ", "python -m ml "))} == set()


@cache
def _functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


OURS = sorted({command for _, command in ALL if command.startswith("python -m ml ")})


@pytest.mark.parametrize("command", OURS)
def test_each_of_our_commands_takes_the_options_that_the_pages_give_it(command: str) -> None:
    found: Any = get_command(app)
    for word in words(command)[3:]:
        if hasattr(found, "commands"):
            assert word in found.commands, f"no command `{word}`"
            found = found.commands[word]
        elif word.startswith("--"):
            options = {option for p in found.params for option in (*p.opts, *p.secondary_opts)}
            assert word in options, f"`{found.name}` takes no {word}"


EVERYWHERE = subprocess.run(
    ["git", "grep", "-ohE", "python -m ml [a-z]+( [a-z-]+)?", "--", ".", ":!CHANGELOG.md"],
    cwd=ROOT, capture_output=True, text=True, check=False,
).stdout.splitlines()  # fmt: skip


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no Git checkout to search")
def test_each_of_our_commands_that_a_file_names_exists() -> None:
    commands: Any = get_command(app).commands  # type: ignore[attr-defined]  # a group
    unknown = set()
    for line in EVERYWHERE:
        verb, *rest = line.split()[3:]
        group = getattr(commands.get(verb), "commands", None)
        if verb not in commands or (group and rest and rest[0] not in group):
            unknown.add(line)
    assert EVERYWHERE
    assert unknown == set()


AIRFLOW = sorted({command for _, command in ALL if command.startswith("airflow ")})
PARSE = """
import sys
from airflow.cli.cli_parser import get_parser
get_parser().parse_args(sys.argv[1:])
"""


@pytest.mark.airflow
def test_airflow_knows_its_commands(tmp_path: Path) -> None:
    environment = os.environ | {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    assert AIRFLOW
    for command in AIRFLOW:
        parsed = subprocess.run(
            [sys.executable, "-c", PARSE, *words(command)[1:]],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert parsed.returncode == 0, f"{command}: {parsed.stderr}"


def test_the_ci_installs_the_same_packages() -> None:
    asked = [words(c)[2:] for _, c in ALL if c.startswith("apt-get install")]
    installed = re.findall(r"apt-get install [^;\\]+", read(".ci/run"))
    assert asked
    assert all(package in " ".join(installed) for packages in asked for package in packages)


def test_the_settings_of_the_readme_are_settings() -> None:
    lines = re.findall(r"^ *MODERATION_(\w+)=", read("README.md"), re.MULTILINE)
    assert {line.lower().split("__")[0] for line in lines} <= set(Settings.model_fields)


@pytest.mark.integration
def test_the_queries_of_the_runbook_run(shop: Shop) -> None:
    queries = blocks(read("docs/runbook.md"), "sql")
    assert queries
    for lines in queries:
        with shop.connections.engine.begin() as connection:
            connection.execute(text("\n".join(lines)))
