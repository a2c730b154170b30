"""The commands as an operator types them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml.cli import app, main
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def shell(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The shop's settings in the environment."""
    settings = shop.settings
    for name in ("database_url", "s3_access_key", "s3_secret_key"):
        monkeypatch.setenv(f"MODERATION_{name.upper()}", getattr(settings, name).get_secret_value())
    monkeypatch.setenv("MODERATION_S3_ENDPOINT_URL", settings.s3_endpoint_url or "")
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))
    return CliRunner()


def test_migrate_runs_again_without_harm(shell: CliRunner) -> None:
    for _ in range(2):
        done = shell.invoke(app, ["migrate"])
        assert done.exit_code == 0, done.output
        assert "up to date" in done.output


def test_models_lists_the_champion(shell: CliRunner, shop: Shop) -> None:
    done = shell.invoke(app, ["models"])
    assert done.exit_code == 0, done.output
    assert shop.model_hash[:12] in done.output.replace("\n", "")


def test_an_error_of_ours_is_one_message_and_exit_code_1(
    shell: CliRunner,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert shell
    monkeypatch.setattr("sys.argv", ["ml", "train", "--data", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "TrainingError" in said
    assert "Traceback" not in said
