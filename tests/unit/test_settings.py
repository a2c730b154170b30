from pathlib import Path

import pytest

from ml.errors import SettingsError
from ml.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root of its own: the developer's `.env` reaches no test."""
    monkeypatch.setattr("ml.settings.ROOT", tmp_path)
    return tmp_path


def set_all(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"MODERATION_{name}", value)


def test_nothing_need_be_set() -> None:
    settings = load_settings()
    assert (settings.schedule, settings.timezone) == ("0 2 * * *", "Asia/Shanghai")
    assert settings.database_url is None


@pytest.mark.parametrize("name", ["SHARD_IMAGE", "COMMERCE__TABEL", "COMMERCE_TABLE"])
def test_an_unknown_variable_is_refused_with_the_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, **{name: "5"})
    with pytest.raises(SettingsError, match=rf"MODERATION_{name}: remove it or mend"):
        load_settings()


def test_an_unknown_line_of_the_env_file_is_refused(no_env_file: Path) -> None:
    (no_env_file / ".env").write_text("MODERATION_SHARD_IMAGE=5\n")
    with pytest.raises(SettingsError, match="SHARD_IMAGE"):
        load_settings()


def test_lines_of_others_in_the_env_file_are_left_alone(no_env_file: Path) -> None:
    (no_env_file / ".env").write_text("UI_PORT=8080\nMODERATION_SHARD_IMAGES=5\n")
    assert load_settings().shard_images == 5


def test_the_environment_goes_before_the_env_file(
    no_env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (no_env_file / ".env").write_text(
        "MODERATION_SHARD_IMAGES=5\nMODERATION_BATCH_IMAGES=6\nMODERATION_COMMERCE__TABLE=photo\n"
    )
    set_all(monkeypatch, SHARD_IMAGES="7")
    settings = load_settings()
    assert (settings.shard_images, settings.batch_images) == (7, 6)
    assert settings.commerce.table == "photo"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHARD_IMAGES", "0"),
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
def test_an_impossible_value_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, **{name: value})
    with pytest.raises(SettingsError, match=f"- MODERATION_{name}: "):
        load_settings()


@pytest.mark.parametrize("name", ["S3_ACCESS_KEY", "S3_SECRET_KEY"])
def test_half_a_pair_of_keys_is_refused_without_showing_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, **{name: "hidden-value"})
    with pytest.raises(SettingsError, match="set both MODERATION_S3_ACCESS_KEY") as caught:
        load_settings()
    assert "hidden-value" not in str(caught.value)


def test_the_statuses_must_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, COMMERCE__STATUS_PASS="ok", COMMERCE__STATUS_REVIEW="ok")
    with pytest.raises(SettingsError, match="must differ"):
        load_settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hidden-value"
    set_all(monkeypatch, DATABASE_URL=secret, S3_ACCESS_KEY=secret, S3_SECRET_KEY=secret)
    settings = load_settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert secret not in shown
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == secret


def test_a_secret_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "MODERATION_DATABASE_URL").write_text("postgresql+psycopg://there\n")
    set_all(monkeypatch, SECRETS_DIR=str(tmp_path))
    url = load_settings().database_url
    assert url is not None
    assert url.get_secret_value() == "postgresql+psycopg://there"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().shard_images = 1  # type: ignore[misc]  # that is what is tested


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
def test_a_webhook_that_cannot_work_stops_the_start_and_is_not_printed(
    url: str | None, secret: str | None, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"ALERT_WEBHOOK_URL": url, "ALERT_WEBHOOK_SECRET": secret}
    set_all(monkeypatch, **{name: value for name, value in given.items() if value})
    with pytest.raises(SettingsError, match=remedy) as caught:
        load_settings()
    assert "ops.example" not in str(caught.value)
    assert WEBHOOK_SECRET not in str(caught.value)


def test_a_webhooks_address_and_secret_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(
        monkeypatch,
        ALERT_WEBHOOK_URL="https://ops.example/hook/token",
        ALERT_WEBHOOK_SECRET=WEBHOOK_SECRET,
    )
    assert "token" not in repr(load_settings())
    assert WEBHOOK_SECRET not in repr(load_settings())
