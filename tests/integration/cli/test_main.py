"""The commands as an operator types them."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ml.cli.main import app, main
from tests.support.servers import Shop
from tests.unit.models.training.pictures import folder, tiny_preset

pytestmark = pytest.mark.integration


def test_migrate_is_idempotent(shell: CliRunner) -> None:
    for _ in range(2):
        done = shell.invoke(app, ["migrate"])
        assert done.exit_code == 0, done.output
        assert "up to date" in done.output


def test_train_registers_and_promotes(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    photos, recipe = folder(tmp_path / "photos", photos=12), tiny_preset().model_dump(mode="json")
    del recipe["name"]
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    done = shell.invoke(
        app, ["train", "--data", str(photos), "--preset", str(preset), "--promote"],
        env={"MODERATION_PRETRAINED_WEIGHTS": "none", "MODERATION_DEVICE": "cpu"},
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    [(champion,)] = shop.rows("select model_hash from moderation.champion")
    assert champion != shop.model_hash
    assert str(champion) in done.output.replace("\n", "")
    pages = shop.connections.models.list_pages(f"models/{champion}/")
    names = {item.key.rsplit("/", 1)[-1] for page in pages for item in page}
    assert "training_photos.json" in names
    assert "training.html" not in names  # it shows photos, and versions are never deleted


def test_project_error_prints_one_message_and_exits_with_1(
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
