import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml.core.settings import ROOT

RUN_AFTER = "2026-11-23T12:00:00+00:00"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.airflow)


def parse_dags(
    home: Path, *, python: Path = Path(sys.executable), **variables: str
) -> dict[str, Any]:
    """`dags/` as parsed by Airflow, in a separate process, since AIRFLOW_HOME is read only once."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MODERATION_", "AIRFLOW"))}
    environment = clean | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
        **variables,
    }
    script = Path(__file__).with_name("describe.py")
    done = subprocess.run(
        [str(python), str(script), str(ROOT / "dags"), RUN_AFTER],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parse_dags(tmp_path_factory.mktemp("airflow"))
