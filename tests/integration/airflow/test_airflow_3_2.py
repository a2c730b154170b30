"""The oldest Airflow that is supported, in an environment of its own, by connections alone."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from devtools.embedded.services import Services
from devtools.local_stack.airflow import COMPONENTS, Airflow
from ml.core.settings import ROOT
from tests.dags.conftest import parse_dags
from tests.integration.airflow.conftest import (
    SHARD_SIZE,
    RunningAirflow,
    with_task_user,
)
from tests.integration.airflow.month import Month, prepare_policy, run_month
from tests.support.airflow_runs import audit_variables
from tests.support.servers import own_bucket, superuser

pytestmark = [
    pytest.mark.integration,
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]

EXTRAS = ("serve", "airflow", "demo")
# Its API server does not start with later versions of FastAPI.
AIRFLOW = ("apache-airflow<3.3", "fastapi<0.136")
METADATA = "airflow_3_2"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the newest Airflow 3.2."""
    uv = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")
    folder = tmp_path_factory.mktemp("environment") / "venv"
    _run([uv, "venv", "--quiet", str(folder)])
    requirements = ["-r", str(ROOT / "pyproject.toml"), *(f"--extra={name}" for name in EXTRAS)]
    found = folder / "bin" / "python"
    install = [uv, "pip", "install", "--quiet", "--python", str(found)]
    installed = subprocess.run(
        [*install, *requirements, *AIRFLOW], capture_output=True, text=True, check=False
    )
    if installed.returncode:
        reason = f"no environment with Airflow 3.2: {installed.stderr[-300:]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def month(
    python: Path,
    services: Services,
    champion_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Month, RunningAirflow]]:
    folder = tmp_path_factory.mktemp("runs")
    with own_bucket(services, champion_folder, folder) as shop:
        with superuser(services) as connection:
            connection.execute(text(f"create database {METADATA}"))
        metadata = services.airflow_database_url.rsplit("/", 1)[0] + f"/{METADATA}"
        own = replace(services, airflow_database_url=metadata)
        extra = audit_variables(shop, shard_size=SHARD_SIZE)
        extra["MODERATION_RETRAIN_PRESET"] = str(folder / "tiny.yaml")
        airflow = Airflow(
            folder / "airflow", own, with_task_user(shop), extra, python=python, connections=True
        )
        airflow.prepare()
        try:
            airflow.start([*COMPONENTS, "triggerer"])  # 3.2 waits for an approval there
            running = RunningAirflow(airflow, shop, folder)
            prepare_policy(shop, tmp_path_factory.mktemp("policy"))
            yield run_month(running, tmp_path_factory.mktemp("month")), running
        finally:
            airflow.stop()


def test_environment_has_airflow_3_2(python: Path) -> None:
    version = _run([str(python), "-c", "import airflow; print(airflow.__version__)"])
    assert version.splitlines()[-1].startswith("3.2.")


def test_every_dag_parses_as_in_the_newest_version(python: Path, tmp_path: Path) -> None:
    old = parse_dags(tmp_path / "old", python=python)
    new = parse_dags(tmp_path / "new")
    assert old["errors"] == {}
    for dag in (*old["dags"].values(), *new["dags"].values()):
        for deadline in dag["deadlines"]:
            deadline[0] = None  # 3.2 has no names of deadlines
    assert old["dags"] == new["dags"]


def test_month_by_connections_with_a_rotated_password(
    month: tuple[Month, RunningAirflow],
) -> None:
    found, running = month
    query = "select state, candidate_hash from moderation.retrain_run where run_id = 'month'"
    assert running.shop.rows(query) == [("promoted", found.promoted)]
    assert found.rotated
    assert "Promoted" in found.note


def test_pages_are_served(month: tuple[Month, RunningAirflow]) -> None:
    found, _ = month
    assert (found.stranger, found.page.status_code) == (401, 200)
