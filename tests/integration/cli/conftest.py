"""The command line of an operator: settings in the environment, a wide console."""

import pytest
from typer.testing import CliRunner

from ml.cli.context import console
from tests.support.servers import Shop


def shell_of(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A runner of commands with the shop's settings in the environment."""
    settings = shop.settings
    for name in ("database_url", "s3_access_key", "s3_secret_key"):
        monkeypatch.setenv(f"MODERATION_{name.upper()}", getattr(settings, name).get_secret_value())
    monkeypatch.setenv("MODERATION_S3_ENDPOINT_URL", settings.s3_endpoint_url or "")
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("MODERATION_BATCH_SIZE", str(settings.batch_size))
    monkeypatch.setenv("MODERATION_INFERENCE", settings.inference)
    monkeypatch.setenv("MODERATION_NUMBER_TYPE", settings.number_type)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(console, "width", 300)
    return CliRunner()


@pytest.fixture
def shell(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    return shell_of(shop, monkeypatch)
