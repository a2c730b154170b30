"""Invariant 7, and the part of invariant 6 that a reader of the source can check."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.core.settings import ROOT

PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ML = sorted((ROOT / "ml").rglob("*.py"))
DAGS = sorted((ROOT / "dags").glob("*.py"))
PARSE_SECONDS = 2.0

PARSE = """
import airflow.sdk
import importlib.util, json, sys, time
start = time.perf_counter()
spec = importlib.util.spec_from_file_location("parsed", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(json.dumps([time.perf_counter() - start, "torch" in sys.modules]))
"""


def imported(source: str) -> Iterator[str]:
    """The first part of each imported name, wherever in the file it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def unsafe_loads(source: str) -> Iterator[int]:
    """Lines of `torch.load(...)` without `weights_only=True`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if given.get("weights_only") != "True":
                yield node.lineno


def test_there_is_something_to_look_at() -> None:
    assert len(ML) > 40
    assert [path.name for path in DAGS] != []


@pytest.mark.parametrize("path", ML, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_imports_neither_airflow_nor_pickle(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    ours = {"airflow", "moderation_airflow", "dags", "plugins", "devtools", "benchmarks", "tests"}
    assert set(imported(source)) & (ours | PICKLES) == set()
    assert list(unsafe_loads(source)) == []


def test_yaml_has_one_reader() -> None:
    folders = ("ml", "plugins", "dags", "deploy")
    product = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    readers = [p.name for p in product if "yaml" in set(imported(p.read_text(encoding="utf-8")))]
    assert readers == ["yaml_file.py"]


WITHOUT_SQL = sorted((ROOT / "ml/review").rglob("*.py"))
SQL_TYPES = {"Connection", "Table"}  # handed through to storage


def sql(source: str) -> Iterator[str]:
    """What a file imports from SQLAlchemy except types, and its calls of `execute`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("sqlalchemy"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            yield from (alias.name for alias in node.names if alias.name not in SQL_TYPES)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".execute"):
            yield ast.unparse(node)


@pytest.mark.parametrize("path", WITHOUT_SQL, ids=lambda path: str(path.relative_to(ROOT)))
def test_rules_hold_no_sql(path: Path) -> None:
    assert list(sql(path.read_text(encoding="utf-8"))) == []


def test_the_checks_see_what_they_look_for() -> None:
    assert list(imported("def f():\n    from airflow.sdk import dag")) == ["airflow"]
    assert list(unsafe_loads("import torch\ntorch.load(p)\ntorch.load(p, weights_only=True)")) == [
        2
    ]
    source = "from sqlalchemy import Connection, text\nconnection.execute(q)"
    assert list(sql(source)) == ["text", "connection.execute(q)"]


SQL_FREE = ("cli", "learning", "models", "moderation")  # their SQL is in ml/storage
SQLALCHEMY_TYPES = {"Connection", "Engine", "Table"}


def sql_of(source: str) -> Iterator[str]:
    """What a module imports from SQLAlchemy besides types, tables, and its calls of `execute`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "sqlalchemy")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            yield from (a.name for a in node.names if a.name not in SQLALCHEMY_TYPES)
        elif isinstance(node, ast.ImportFrom) and node.module == "ml.storage.schema":
            yield node.module
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from ["execute"] if node.func.attr == "execute" else []


@pytest.mark.parametrize("package", SQL_FREE)
def test_sql_is_in_storage_alone(package: str) -> None:
    files = sorted((ROOT / "ml" / package).rglob("*.py"))
    assert files
    found = {str(f.relative_to(ROOT)): list(sql_of(f.read_text(encoding="utf-8"))) for f in files}
    assert {name: sql for name, sql in found.items() if sql} == {}


def test_the_check_for_sql_sees_what_it_looks_for() -> None:
    assert list(sql_of("from sqlalchemy import Connection, select")) == ["select"]
    assert list(sql_of("def f(c, q):\n    return c.execute(q)")) == ["execute"]
    assert list(sql_of("from ml.storage.schema import image")) == ["ml.storage.schema"]


STEPS = sorted(".".join(p.relative_to(ROOT).with_suffix("").parts) for p in ML if p.stem == "steps")


@pytest.mark.parametrize("module", STEPS)
def test_a_step_that_needs_no_torch_does_not_wait_for_it(module: str) -> None:
    load = f"import {module}, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", load], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.airflow
@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.name)
def test_parsing_a_dag_file_is_quick_and_leaves_torch_alone(path: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
    }
    # The bytecode of a first run in a fresh checkout is not what is measured.
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PARSE, str(path)],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
    seconds, torch_there = json.loads(done.stdout.splitlines()[-1])
    assert not torch_there
    assert seconds < PARSE_SECONDS
