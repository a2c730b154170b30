"""`python -m ml models`, as an operator types it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from ml.cli.main import app
from ml.core.errors import ModelError, SettingsError
from ml.models import registry
from ml.models.checkpoint import load_checkpoint
from ml.models.load_check import PROBE, load_checked_predictor, make_test_pictures, write_probe
from tests.support.servers import Shop
from tests.support.versions import add_altered_version, add_version, add_version_row

pytestmark = pytest.mark.integration


def _done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def _promoted(shop: Shop, digit: str) -> str:
    version = add_version_row(shop, digit)
    registry.promote(version, engine=shop.connections.engine, by="[ann]", reason="[b]better")
    return version


def test_list_shows_the_champion(shell: CliRunner, shop: Shop) -> None:
    done = shell.invoke(app, ["models", "list"])
    assert done.exit_code == 0, done.output
    assert shop.model_hash[:12] in done.output.replace("\n", "")


@pytest.mark.parametrize("kind", ["nan", "constant"])
def test_promote_refuses_a_version_without_usable_scores(
    shell: CliRunner, shop: Shop, champion_folder: Path, tmp_path: Path, kind: str
) -> None:
    version = add_altered_version(shop, champion_folder, tmp_path, spoil=kind)
    rejected = shell.invoke(app, ["models", "promote", version, "--reason", "test"])
    assert isinstance(rejected.exception, ModelError)
    assert shop.rows("select model_hash from moderation.champion") == [(shop.model_hash,)]


def test_promote_switches_the_champion(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    version = add_version(shop, tmp_path)
    done = shell.invoke(app, ["models", "promote", version, "--reason", "test"])
    assert done.exit_code == 0, done.output
    assert shop.rows("select model_hash from moderation.champion") == [(version,)]
    assert shop.rows("select reason from moderation.promotion order by promotion_id desc")[0] == (
        "test",
    )


def test_rollback_restores_the_previous_champion_and_history_lists_it(
    shell: CliRunner, shop: Shop
) -> None:
    _promoted(shop, "c")
    said = _done(shell.invoke(app, ["models", "rollback", "previous", "--reason", "worse"]))
    assert shop.model_hash in said.replace("\n", "")
    listed = _done(shell.invoke(app, ["models", "history"]))
    assert "[ann]" in listed
    assert "[b]better" in listed
    assert "rollback" in listed
    assert "worse" in listed


def test_rollback_needs_a_reason_and_a_version_that_was_champion(
    shell: CliRunner, shop: Shop
) -> None:
    assert shell.invoke(app, ["models", "rollback", "previous"]).exit_code == 2
    version = add_version_row(shop, "d")
    rejected = shell.invoke(app, ["models", "rollback", version, "--reason", "x"])
    assert isinstance(rejected.exception, ModelError)


def test_champion_at_prints_the_version_at_a_time(shell: CliRunner, shop: Shop) -> None:
    between = datetime.now(UTC)
    later = _promoted(shop, "c")
    now = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert shop.model_hash in _done(
        shell.invoke(app, ["models", "champion-at", between.isoformat()])
    )
    assert later in _done(shell.invoke(app, ["models", "champion-at", now]))
    assert "none yet" in _done(shell.invoke(app, ["models", "champion-at", "2001-01-01T00:00:00Z"]))


@pytest.mark.parametrize("at", ["yesterday", "2026-11-01T00:00:00"])
def test_champion_at_rejects_an_invalid_time(shell: CliRunner, at: str) -> None:
    assert isinstance(shell.invoke(app, ["models", "champion-at", at]).exception, SettingsError)


def test_export_writes_a_checked_version(
    shell: CliRunner, shop: Shop, tmp_path: Path, champion_folder: Path
) -> None:
    card = load_checkpoint(champion_folder).card
    probe = tmp_path / "probe"
    probe.mkdir()
    predictor = load_checked_predictor(load_checkpoint(champion_folder))
    pixels = np.stack(make_test_pictures(card.preprocessing.crop))
    write_probe(probe, torch.from_numpy(pixels), torch.from_numpy(predictor.logits(list(pixels))))
    refused = shell.invoke(app, ["models", "export", "champion", str(tmp_path / "x"), "--onnx"])
    assert "has no probe" in str(refused.exception)
    assert not (tmp_path / "x").exists()
    cached = shop.connections.model_cache / shop.model_hash
    (cached / PROBE).write_bytes((probe / PROBE).read_bytes())
    out = tmp_path / "out"
    said = _done(shell.invoke(app, ["models", "export", "champion", str(out), "--onnx"]))
    assert "ONNX: logits differ from the probe by" in said
    assert {path.name for path in out.iterdir()} == {
        *("README.md", "card.json", "model.onnx", "weights.safetensors")
    }
    assert load_checkpoint(out, model_hash=shop.model_hash).card == card


def test_export_does_not_mix_versions(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _done(shell.invoke(app, ["models", "export", shop.model_hash[:8], str(out)]))
    other = add_version(shop, tmp_path / "other")
    refused = shell.invoke(app, ["models", "export", other, str(out)])
    assert isinstance(refused.exception, ModelError)
    assert "name another folder" in str(refused.exception)


@pytest.mark.usefixtures("shop")
def test_export_overwrites_nothing_of_others(shell: CliRunner, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "README.md").write_text("of a repository")
    refused = shell.invoke(app, ["models", "export", "champion", str(repository)])
    assert isinstance(refused.exception, ModelError)
    assert "name a new folder" in str(refused.exception)
    assert [path.name for path in repository.iterdir()] == ["README.md"]
