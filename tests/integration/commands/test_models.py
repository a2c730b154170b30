"""`rollback`, `history` and `replay` as an operator types them."""

import sys
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from ml import cli
from ml.commands.models import app
from ml.errors import ModelError, ReplayDiffers, SettingsError
from ml.model import registry
from tests.support.night import run_night
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop
from tests.support.versions import add_row

pytestmark = pytest.mark.integration


@pytest.fixture
def shell(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The shop's settings in the environment."""
    settings = shop.settings
    for name in ("database_url", "s3_access_key", "s3_secret_key"):
        monkeypatch.setenv(f"MODERATION_{name.upper()}", getattr(settings, name).get_secret_value())
    monkeypatch.setenv("MODERATION_S3_ENDPOINT_URL", settings.s3_endpoint_url or "")
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("MODERATION_BATCH_IMAGES", str(settings.batch_images))
    monkeypatch.setenv("COLUMNS", "300")
    return CliRunner()


def _done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def _promoted(shop: Shop, digit: str) -> str:
    version = add_row(shop, digit)
    registry.promote(version, engine=shop.connections.engine, by="[ann]", reason="[b]better")
    return version


def test_rollback_goes_back_and_the_history_lists_it(shell: CliRunner, shop: Shop) -> None:
    _promoted(shop, "c")
    said = _done(shell.invoke(app, ["rollback", "previous", "--reason", "worse"]))
    assert shop.model_hash in said.replace("\n", "")
    listed = _done(shell.invoke(app, ["history"]))
    assert "[ann]" in listed
    assert "[b]better" in listed
    assert "rollback" in listed
    assert "worse" in listed


def test_rollback_needs_a_reason_and_a_version_that_was_champion(
    shell: CliRunner, shop: Shop
) -> None:
    assert shell.invoke(app, ["rollback", "previous"]).exit_code == 2
    version = add_row(shop, "d")
    refused = shell.invoke(app, ["rollback", version, "--reason", "x"])
    assert isinstance(refused.exception, ModelError)


def test_history_says_who_was_champion_then(shell: CliRunner, shop: Shop) -> None:
    between = datetime.now(UTC)
    later = _promoted(shop, "c")
    now = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert shop.model_hash in _done(shell.invoke(app, ["history", "--at", between.isoformat()]))
    assert later in _done(shell.invoke(app, ["history", "--at", now]))
    assert "none yet" in _done(shell.invoke(app, ["history", "--at", "2001-01-01T00:00:00Z"]))


@pytest.mark.parametrize("at", ["yesterday", "2026-11-01T00:00:00"])
def test_a_time_that_is_none_is_refused(shell: CliRunner, at: str) -> None:
    assert isinstance(shell.invoke(app, ["history", "--at", at]).exception, SettingsError)


def test_history_says_who_judged_a_photo(shell: CliRunner, shop: Shop) -> None:
    key = shop.upload("a.jpg", photo(BRIGHT))
    run_night(shop)
    listed = _done(shell.invoke(app, ["history", "--photo", key]))
    assert all(word in listed for word in ("night", shop.model_hash, "pass"))
    assert "no run has seen" in _done(shell.invoke(app, ["history", "--photo", "other"]))


def test_replay_says_equal_and_fails_where_it_is_not(
    shell: CliRunner, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.upload("a.jpg", photo(BRIGHT))
    run_night(shop)
    assert "1 judged again, 1 equal" in _done(shell.invoke(app, ["replay", "--run", "night"]))
    shop.execute("update moderation.verdict set decision = 'block'")
    failed = shell.invoke(app, ["replay", "--run", "night"])
    assert failed.exit_code == 1
    assert isinstance(failed.exception, ReplayDiffers)
    # ... which the program itself turns into a message and the same exit code.
    monkeypatch.setattr(cli, "app", lambda: app(["replay", "--run", "night"]))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert sys.exc_info() == (None, None, None)
