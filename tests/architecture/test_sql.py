"""All SQL lives in `ml/storage`: other code passes connections on, and runs no statement."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.core.settings import ROOT

FOLDERS = ("ml/operations", "plugins")
TYPES = {"Connection", "Engine", "RowMapping", "Table", "URL"}
# Celery's result backend is no database of ours.
OWN_QUERY = ROOT / "plugins/moderation_airflow/doctor.py"
FILES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path != OWN_QUERY
)


def sql_in(source: str) -> Iterator[str]:
    """Names imported from SQLAlchemy other than types, and calls of `execute`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy":
            yield from (alias.name for alias in node.names if alias.name not in TYPES)
        elif isinstance(node, ast.Attribute) and node.attr == "execute":
            yield ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sql_outside_of_storage(path: Path) -> None:
    assert list(sql_in(path.read_text(encoding="utf-8"))) == []


def test_the_check_sees_sql() -> None:
    source = "from sqlalchemy import Connection, select\nc.execute(select(1))"
    assert list(sql_in(source)) == ["select", "c.execute"]
