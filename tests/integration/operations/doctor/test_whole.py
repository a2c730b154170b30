"""`make doctor` on a machine without our Airflow."""

from pathlib import Path

import pytest

from devtools.local_stack.doctor import run_doctor
from ml.core.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


@pytest.mark.usefixtures("environment")
def test_make_doctor_checks_a_deployment_without_airflow(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("COLUMNS", "200")
    assert run_doctor(settings, None) == 0
    output = capfd.readouterr().out
    assert "DAGs in" in output
    assert "the executor is not CeleryExecutor" in output
    assert run_doctor(settings, "http://127.0.0.1:1") == 1
