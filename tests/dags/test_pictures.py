"""docs/dags.md draws each DAG as Airflow parses it."""

import re
from typing import Any

import pytest

from ml.core.settings import ROOT

PAGE = (ROOT / "docs" / "dags.md").read_text(encoding="utf-8")
DRAWN = re.findall(
    r"^## `(\w+)`$.*?```mermaid\nflowchart LR\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE
)


def test_each_dag_is_drawn_once(bag: dict[str, Any]) -> None:
    assert sorted(name for name, _ in DRAWN) == sorted(bag["dags"])


@pytest.mark.parametrize(("name", "picture"), DRAWN, ids=[name for name, _ in DRAWN])
def test_picture_has_the_tasks_and_edges_of_the_dag(
    bag: dict[str, Any], name: str, picture: str
) -> None:
    tasks = bag["dags"][name]["tasks"]
    edges = {(task, after) for task, about in tasks.items() for after in about["downstream"]}
    lines = [line.split(" --> ") for line in picture.split("\n  ")]
    drawn = {tuple(part.strip() for part in line) for line in lines if len(line) > 1}
    assert drawn == edges
    assert {part.strip() for line in lines for part in line} == set(tasks)
