"""The command, and its finding where settings cannot be used."""

import pytest
from typer.testing import CliRunner

from ml.cli.main import app
from ml.operations.doctor.check import CheckStatus
from ml.operations.doctor.runner import library_findings

pytestmark = pytest.mark.integration


@pytest.mark.usefixtures("environment")
def test_doctor_exits_1_on_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    passed = CliRunner().invoke(app, ["doctor"])
    assert passed.exit_code == 0, passed.output
    assert "champion's classes" in passed.output
    failed = CliRunner().invoke(app, ["doctor", "--predict-url", "http://127.0.0.1:1"])
    assert failed.exit_code == 1
    assert "start the service" in failed.output


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHARD_IMAGE", "5"),
        ("DATABASE_URL", "nonsense"),
        ("S3_ENDPOINT_URL", "nonsense"),
    ],
)
def test_invalid_settings_are_the_only_finding(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MODERATION_{name}", value)
    ((check, finding),) = library_findings()
    assert (check, finding.state) == ("settings", CheckStatus.FAILED)
    assert "MODERATION_" in finding.message + finding.remedy
