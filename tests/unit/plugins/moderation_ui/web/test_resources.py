"""Resources by an Airflow connection of the environment's back end; nothing connects here."""

import json
import threading

import pytest

from ml.core.errors import ConnectionUnavailable
from moderation_ui.web import resources
from moderation_ui.web.resources import OpenResources, Resources


def _name_connection(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    fields = {
        "conn_type": "postgres",
        "host": "db.example",
        "login": "moderation",
        "password": password,
        "schema": "shop",
    }
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", json.dumps(fields))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODERATION_DATABASE_URL", raising=False)
    monkeypatch.setenv("MODERATION_EMBEDDED", "false")
    monkeypatch.setenv("MODERATION_DATABASE_CONN_ID", "shop_db")
    _name_connection(monkeypatch, "first")


def _password(opened: Resources) -> str | None:
    return opened.connections.engine.url.password


def test_rotated_password_opens_the_resources_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "RESOLVE_SECONDS", 0.0)
    opened = OpenResources()
    first = opened()
    assert opened() is first
    _name_connection(monkeypatch, "second")
    assert [_password(first), _password(opened())] == ["first", "second"]


def test_connection_is_asked_for_once_in_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = OpenResources()
    first = opened()
    _name_connection(monkeypatch, "second")
    assert opened() is first


def test_old_resources_stay_while_airflow_returns_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources, "RESOLVE_SECONDS", 0.0)
    opened = OpenResources()
    first = opened()
    monkeypatch.delenv("AIRFLOW_CONN_SHOP_DB")
    assert opened() is first
    with pytest.raises(ConnectionUnavailable):
        OpenResources()()


def test_requests_do_not_wait_while_one_asks_a_slow_secrets_back_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources, "RESOLVE_SECONDS", 0.0)
    opened = OpenResources()
    first = opened()
    asked, answer = threading.Event(), threading.Event()

    def ask_slowly(old: Resources | None) -> Resources:
        asked.set()
        assert answer.wait(10)
        return old or first

    monkeypatch.setattr(opened, "_reopen", ask_slowly)
    slow = threading.Thread(target=opened)
    slow.start()
    assert asked.wait(10)
    assert opened() is first  # it does not wait
    answer.set()
    slow.join()
