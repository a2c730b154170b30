"""Airflow connections of the environment's back end, which every Airflow process asks first."""

import json

import pytest
from airflow._shared.secrets_masker import redact as redact_in_server
from airflow.sdk.log import redact

from ml.core.errors import ConnectionUnavailable, SettingsError
from ml.core.settings import Settings
from moderation_airflow.connections import task_settings

SECRET = "s3cret/with:signs@"
DATABASE = {
    "conn_type": "postgres",
    "host": "db.example",
    "port": 5433,
    "login": "moderation",
    "password": SECRET,
    "schema": "shop",
}
STORE = {"conn_type": "aws", "login": "AKIA", "password": SECRET}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_EMBEDDED", "false")
    for name in ("DATABASE_URL", "S3_ENDPOINT_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        monkeypatch.delenv(f"MODERATION_{name}", raising=False)


def _resolve(
    monkeypatch: pytest.MonkeyPatch,
    *,
    database: dict[str, object] | None = None,
    store: dict[str, object] | None = None,
) -> Settings:
    for kind, conn_id, fields in (("DATABASE", "shop_db", database), ("S3", "shop_s3", store)):
        if fields is not None:
            monkeypatch.setenv(f"MODERATION_{kind}_CONN_ID", conn_id)
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
    return task_settings()


def _url(settings: Settings) -> str:
    return settings.database_url.get_secret_value() if settings.database_url else ""


def _keys(settings: Settings) -> tuple[str | None, ...]:
    values = (settings.s3_access_key, settings.s3_secret_key, settings.s3_session_token)
    return tuple(value.get_secret_value() if value else None for value in values)


def test_database_url_is_made_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "cursor": "dictcursor"}
    settings = _resolve(monkeypatch, database=DATABASE | {"extra": extra})
    assert _url(settings) == (
        "postgresql+psycopg://moderation:s3cret%2Fwith%3Asigns%40@db.example:5433/shop"
        "?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem"
    )


def test_rotated_password_counts_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "s3cret" in _url(_resolve(monkeypatch, database=DATABASE))
    assert "another" in _url(_resolve(monkeypatch, database=DATABASE | {"password": "another"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conn_type": "mysql"}, "type mysql"),
        ({"host": None}, "lacks host"),
        ({"schema": None, "login": None}, "lacks login, schema"),
        ({"extra": {"iam": True}}, "a connection of its own with a password"),
        ({"extra": {"sslmodus": "require"}}, "extra sslmodus"),
    ],
)
def test_unusable_database_connection_says_what_to_change(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        _resolve(monkeypatch, database=DATABASE | change)
    assert "shop_db" in str(error.value)
    assert SECRET not in str(error.value)


def test_keys_of_an_aws_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"region_name": "eu-west-1", "aws_session_token": "token"}
    settings = _resolve(monkeypatch, store=STORE | {"extra": extra})
    assert _keys(settings) == ("AKIA", SECRET, "token")
    assert (settings.signing_region, settings.s3_endpoint_url) == ("eu-west-1", None)


@pytest.mark.parametrize(
    "fields",
    [
        {"extra": {"endpoint_url": "https://oss-cn-hangzhou.aliyuncs.com"}},
        {
            "extra": {
                "service_config": {"s3": {"endpoint_url": "https://oss-cn-hangzhou.aliyuncs.com"}}
            }
        },
        {
            "extra": {
                "service_config": json.dumps(
                    {"s3": {"endpoint_url": "https://oss-cn-hangzhou.aliyuncs.com"}}
                )
            }
        },
        {"conn_type": "generic", "host": "oss-cn-hangzhou.aliyuncs.com"},
        {"conn_type": "generic", "host": "oss-cn-hangzhou.aliyuncs.com", "schema": "https"},
    ],
)
def test_endpoint_of_a_connection(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, object]
) -> None:
    settings = _resolve(monkeypatch, store=STORE | fields)
    assert settings.s3_endpoint_url == "https://oss-cn-hangzhou.aliyuncs.com"
    assert (settings.bucket_addressing, settings.signing_region) == ("virtual", "cn-hangzhou")


def test_generic_connection_names_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "generic", "host": "minio", "port": 9000, "schema": "http"}
    assert _resolve(monkeypatch, store=STORE | fields).s3_endpoint_url == "http://minio:9000"


def test_options_of_botocore_in_an_aws_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"s3": {"addressing_style": "path"}, "signature_version": "s3"}
    extra = {"endpoint_url": "https://store.example", "config_kwargs": options}
    settings = _resolve(monkeypatch, store=STORE | {"extra": extra})
    assert (settings.bucket_addressing, settings.s3_signature) == ("path", "v2")


def test_connection_without_keys_leaves_them_to_the_chain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = _resolve(monkeypatch, store={"conn_type": "aws", "extra": {"region_name": "eu-1"}})
    assert (settings.has_static_credentials, settings.signing_region) == (False, "eu-1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conn_type": "google_cloud_platform"}, "type google_cloud_platform"),
        ({"extra": {"role_arn": "arn:aws:iam::1:role/x"}}, "MODERATION_S3_CREDENTIALS=chain"),
        ({"password": None}, "MODERATION_S3_SECRET_KEY"),
        ({"extra": {"endpoint": "https://store.example"}}, "extra endpoint"),
        ({"extra": {"verify": False}}, "AWS_CA_BUNDLE"),
        ({"extra": {"service_config": "no json"}}, "must be a JSON object"),
        ({"extra": {"endpoint_url": "store.example"}}, "http or https URL"),
        ({"extra": {"addressing_style": "sideways"}}, "MODERATION_S3_ADDRESSING"),
    ],
)
def test_unusable_store_connection_says_what_to_change(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        _resolve(monkeypatch, store=STORE | change)
    assert "shop_s3" in str(error.value)
    assert SECRET not in str(error.value)


def test_extras_of_other_users_of_a_database_connection_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {"aws_conn_id": "other", "cluster-identifier": "x"}
    assert _url(_resolve(monkeypatch, database=DATABASE | {"extra": extra})).endswith("/shop")


def test_empty_name_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_S3_CONN_ID", "")
    assert task_settings().s3_conn_id is None


def test_connection_and_plain_setting_of_the_same_thing_are_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_URL", "postgresql+psycopg://u:p@h/d")
    with pytest.raises(SettingsError, match="unset one"):
        _resolve(monkeypatch, database=DATABASE)


def test_secrets_are_masked_in_tasks_and_in_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve(monkeypatch, database=DATABASE, store=STORE)
    for mask in (redact, redact_in_server):
        assert SECRET not in str(mask(f"it is {SECRET}"))


def test_absent_connection_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_CONN_ID", "absent")
    with pytest.raises(ConnectionUnavailable, match="no connection absent"):
        task_settings()


def test_settings_without_connections_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_URL", "postgresql+psycopg://u:p@h/d")
    assert _url(task_settings()) == "postgresql+psycopg://u:p@h/d"
