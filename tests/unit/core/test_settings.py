import json
from pathlib import Path

import pytest

from ml.core.errors import SettingsError
from ml.core.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty root, so that tests do not read the developer's `.env`."""
    monkeypatch.setattr("ml.core.settings.ROOT", tmp_path)
    return tmp_path


def set_all(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"MODERATION_{name}", value)


def test_settings_load_without_any_variable() -> None:
    settings = load_settings()
    assert (settings.schedule, settings.timezone) == ("0 2 * * *", "Asia/Shanghai")
    assert settings.database_url is None


@pytest.mark.parametrize("name", ["SHARD_IMAGE", "COMMERCE__TABEL", "COMMERCE_TABLE"])
def test_unknown_variable_is_rejected_with_the_fix(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, **{name: "5"})
    with pytest.raises(SettingsError, match=rf"MODERATION_{name}: remove it or fix"):
        load_settings()


def test_unknown_line_of_the_env_file_is_rejected(no_env_file: Path) -> None:
    (no_env_file / ".env").write_text("MODERATION_SHARD_IMAGE=5\n")
    with pytest.raises(SettingsError, match="SHARD_IMAGE"):
        load_settings()


def test_env_file_lines_without_our_prefix_are_ignored(no_env_file: Path) -> None:
    (no_env_file / ".env").write_text("UI_PORT=8080\nMODERATION_SHARD_SIZE=5\n")
    assert load_settings().shard_size == 5


def test_environment_overrides_the_env_file(
    no_env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (no_env_file / ".env").write_text(
        "MODERATION_SHARD_SIZE=5\nMODERATION_BATCH_SIZE=6\nMODERATION_COMMERCE__TABLE=photo\n"
    )
    set_all(monkeypatch, SHARD_SIZE="7")
    settings = load_settings()
    assert (settings.shard_size, settings.batch_size) == (7, 6)
    assert settings.commerce.table == "photo"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHARD_SIZE", "0"),
        ("LOOKBACK_DAYS", "-1"),
        ("DEVICE", "tpu"),
        ("DEVICE", "cuda:x"),
        ("PHOTO_BUCKET", "ab"),
        ("FETCH_THREADS", "many"),
        ("MAX_IMAGE_BYTES", "1"),
        ("COMMERCE__TABLE", 'review"; drop table x; --'),
        ("COMMERCE__IMAGE_ID", "image id"),
        ("COMMERCE__TABLE_SCHEMA", "a.b"),
        ("COMMERCE__OBJECT_KEY", ""),
    ],
)
def test_invalid_value_is_rejected_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, **{name: value})
    with pytest.raises(SettingsError, match=f"- MODERATION_{name}: "):
        load_settings()


@pytest.mark.parametrize("name", ["S3_ACCESS_KEY", "S3_SECRET_KEY"])
def test_single_s3_key_is_rejected_without_showing_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, **{name: "hidden-value"})
    with pytest.raises(SettingsError, match="set both MODERATION_S3_ACCESS_KEY") as caught:
        load_settings()
    assert "hidden-value" not in str(caught.value)


def test_equal_commerce_statuses_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, COMMERCE__STATUS_PASS="ok", COMMERCE__STATUS_REVIEW="ok")
    with pytest.raises(SettingsError, match="must differ"):
        load_settings()


@pytest.mark.parametrize("template", ["reviews/%H%M/", "%c/", "%s/", "%H/%f/"])
def test_prefix_that_changes_within_the_hour_is_rejected(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, PHOTO_PREFIX=template)
    with pytest.raises(SettingsError, match=r"PHOTO_PREFIX: .*may not name minutes"):
        load_settings()


def test_secrets_are_not_in_the_text_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hidden-value"
    names = ("DATABASE_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_SESSION_TOKEN")
    set_all(monkeypatch, **dict.fromkeys(names, secret))
    settings = load_settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert secret not in shown
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == secret


def test_secret_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "MODERATION_DATABASE_URL").write_text("postgresql+psycopg://there\n")
    set_all(monkeypatch, SECRETS_DIR=str(tmp_path))
    url = load_settings().database_url
    assert url is not None
    assert url.get_secret_value() == "postgresql+psycopg://there"


def test_settings_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().shard_size = 1  # type: ignore[misc]  # the assignment under test


WEBHOOK_SECRET = "whsec_" + "A" * 43 + "="


@pytest.mark.parametrize(
    ("url", "secret", "remedy"),
    [
        ("ftp://ops.example/hook", WEBHOOK_SECRET, "must be an http or https URL"),
        ("https://", WEBHOOK_SECRET, "must be an http or https URL"),
        ("https://ops.example/hook", "short", "openssl rand"),
        ("https://ops.example/hook", "whsec_AAAA", "openssl rand"),
        ("https://ops.example/hook", None, "or neither"),
        (None, WEBHOOK_SECRET, "or neither"),
    ],
)
def test_invalid_webhook_is_rejected_without_showing_it(
    url: str | None, secret: str | None, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"ALERT_WEBHOOK_URL": url, "ALERT_WEBHOOK_SECRET": secret}
    set_all(monkeypatch, **{name: value for name, value in given.items() if value})
    with pytest.raises(SettingsError, match=remedy) as caught:
        load_settings()
    assert "ops.example" not in str(caught.value)
    assert WEBHOOK_SECRET not in str(caught.value)


def test_webhook_url_and_secret_are_not_in_the_text_of_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(
        monkeypatch,
        ALERT_WEBHOOK_URL="https://ops.example/hook/token",
        ALERT_WEBHOOK_SECRET=WEBHOOK_SECRET,
    )
    assert "hook/token" not in repr(load_settings())
    assert WEBHOOK_SECRET not in repr(load_settings())


def test_renamed_variable_is_rejected_with_its_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, S3_ADDRESSING_STYLE="virtual")
    with pytest.raises(SettingsError, match="is MODERATION_S3_ADDRESSING now: rename it"):
        load_settings()


def test_renamed_line_of_the_env_file_is_rejected_with_its_new_name(no_env_file: Path) -> None:
    (no_env_file / ".env").write_text("MODERATION_S3_ADDRESSING_STYLE=virtual\n")
    with pytest.raises(SettingsError, match="is MODERATION_S3_ADDRESSING now: rename it"):
        load_settings()


@pytest.mark.parametrize("name", ["S3_ACCESS_KEY", "S3_CREDENTIALS"])
def test_embedded_bucket_is_not_taken_where_credentials_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = {
        "database_url": "postgresql://x",
        "s3_endpoint_url": "http://127.0.0.1:1",
        "s3_access_key": "x",
        "s3_secret_key": "y",
    }
    (tmp_path / "services.json").write_text(json.dumps(servers))
    set_all(monkeypatch, EMBEDDED="true", DATA_DIR=str(tmp_path))
    assert load_settings().s3_endpoint_url == "http://127.0.0.1:1"
    values = {name: "chain" if name == "S3_CREDENTIALS" else "key"}
    set_all(monkeypatch, **values)
    if name == "S3_ACCESS_KEY":
        set_all(monkeypatch, S3_SECRET_KEY="secret")
    assert load_settings().s3_endpoint_url is None
