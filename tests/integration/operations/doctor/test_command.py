"""The command as an operator types it, and what it says where it cannot even begin."""

import pytest
from typer.testing import CliRunner

from ml.cli.main import app
from ml.operations.doctor.check import CheckStatus
from ml.operations.doctor.runner import library_findings

pytestmark = pytest.mark.integration


@pytest.mark.usefixtures("environment")
def test_the_exit_code_tells_of_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    fit = CliRunner().invoke(app, ["doctor"])
    assert fit.exit_code == 0, fit.output
    assert "champion's classes" in fit.output
    ill = CliRunner().invoke(app, ["doctor", "--predict-url", "http://127.0.0.1:1"])
    assert ill.exit_code == 1
    assert "start the service" in ill.output


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHARD_IMAGE", "5"),
        ("DATABASE_URL", "nonsense"),
        ("S3_ENDPOINT_URL", "nonsense"),
    ],
)
def test_settings_that_cannot_be_used_are_the_only_finding(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MODERATION_{name}", value)
    ((check, finding),) = library_findings()
    assert (check, finding.state) == ("settings", CheckStatus.FAILED)
    assert "MODERATION_" in finding.message + finding.remedy
