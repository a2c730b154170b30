"""The commands as an operator types them."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ml.cli import app, main
from tests.support.servers import Shop
from tests.support.versions import add_row
from tests.unit.training.pictures import folder, tiny_preset

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


def test_promote_switches_the_champion(shell: CliRunner, shop: Shop) -> None:
    version = add_row(shop, "c")
    done = shell.invoke(app, ["promote", version, "--reason", "test"])
    assert done.exit_code == 0, done.output
    assert shop.rows("select model_hash from moderation.champion") == [(version,)]
    assert shop.rows("select reason from moderation.promotion order by promotion_id desc")[0] == (
        "test",
    )


def test_train_registers_and_promotes(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    photos, recipe = folder(tmp_path / "photos", photos=12), tiny_preset().model_dump(mode="json")
    del recipe["name"]
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    done = shell.invoke(
        app, ["train", "--data", str(photos), "--preset", str(preset), "--promote"],
        env={"MODERATION_START_WEIGHTS": "none", "MODERATION_DEVICE": "cpu"},
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    [(champion,)] = shop.rows("select model_hash from moderation.champion")
    assert champion != shop.model_hash
    assert str(champion) in done.output.replace("\n", "")


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
