"""The doctor names what is wrong with the Airflow connections of database and object storage."""

import json

import pytest

from ml.operations.doctor.check import CheckStatus
from moderation_airflow.doctor import findings

DATABASE = {"conn_type": "postgres", "host": "db.example", "login": "shop", "schema": "shop"}
STORE = {"conn_type": "aws", "login": "AKIA", "password": "of-this-test"}


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("DATABASE", None, ["no connection shop_conn", "MODERATION_DATABASE_CONN_ID"]),
        ("S3", None, ["no connection shop_conn", "MODERATION_S3_CONN_ID"]),
        ("DATABASE", DATABASE | {"conn_type": "mysql"}, ["of type mysql", "postgres"]),
        ("S3", STORE | {"conn_type": "http"}, ["of type http", "aws"]),
        ("DATABASE", DATABASE | {"host": ""}, ["shop_conn lacks host"]),
        ("S3", STORE | {"password": ""}, ["shop_conn", "MODERATION_S3_SECRET_KEY"]),
    ],
    ids=["no-database", "no-store", "database-type", "store-type", "no-host", "no-password"],
)
def test_unusable_connection_is_the_only_finding(
    kind: str, fields: dict[str, str] | None, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATION_EMBEDDED", "false")
    monkeypatch.setenv(f"MODERATION_{kind}_CONN_ID", "shop_conn")
    if fields is not None:
        monkeypatch.setenv("AIRFLOW_CONN_SHOP_CONN", json.dumps(fields))
    ((name, finding),) = findings()
    assert (name, finding.state) == ("settings", CheckStatus.FAILED)
    for word in words:
        assert word in finding.message
    assert "connection" in finding.remedy
