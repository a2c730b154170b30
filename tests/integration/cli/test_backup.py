"""`backup` and `restore` as an operator types them."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml.cli import main
from ml.cli.main import app
from tests.integration.cli.conftest import shell_of
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def shell(own: Shop, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The settings of a shop with its own model bucket in the environment."""
    monkeypatch.setenv("MODERATION_MODEL_BUCKET", own.settings.model_bucket)
    return shell_of(own, monkeypatch)


def _done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_backup_and_restore_report_what_they_did(
    shell: CliRunner, own: Shop, tmp_path: Path
) -> None:
    folder = str(tmp_path / "backup")
    assert "2 objects" in _done(shell.invoke(app, ["backup", "--to", folder]))
    own.execute("drop schema moderation cascade")
    said = _done(shell.invoke(app, ["restore", "--from", folder]))
    assert own.model_hash in said
    assert own.rows("select model_hash from moderation.champion") == [(own.model_hash,)]


def test_rejected_restore_prints_one_message(
    shell: CliRunner,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert shell
    monkeypatch.setattr(sys, "argv", ["ml", "restore", "--from", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "BackupError: " in said
    assert "Traceback" not in said
