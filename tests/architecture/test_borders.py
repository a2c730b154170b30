"""Invariants 6 and 7: `ml/` never imports Airflow, and no pickle is ever loaded."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "ml").rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_the_library_never_imports_airflow_or_its_surroundings() -> None:
    assert len(FILES) > 40
    found = {p.name: set(_imports(p)) & {"airflow", "plugins", "stack", "dags"} for p in FILES}
    assert {name: bad for name, bad in found.items() if bad} == {}


def test_no_pickle_is_loaded() -> None:
    for path in FILES:
        assert not set(_imports(path)) & {"pickle", "joblib", "dill", "cloudpickle"}, path


def test_torch_load_only_with_weights_only() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert "weights_only=True" in ast.unparse(node), path
