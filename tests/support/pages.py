"""Fixtures: Airflow's real API server with our plugin, once a session; a clean shop a test."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from ml.audit.window import Window
from ml.connections import open_connections
from ml.embedded.services import Services
from ml.model import registry
from ml.settings import ROOT, Settings
from stack.airflow import Airflow
from tests.support.servers import Shop

_PREFIX = "reviews/pages/"
_KEPT = {"alembic_version", "audit_key", "model_version", "champion", "promotion"}


@dataclass(frozen=True)
class Pages:
    """The plugin's pages as Airflow serves them, and the shop behind them."""

    airflow: Airflow
    shop: Shop

    @property
    def url(self) -> str:
        """Where the pages are."""
        return f"{self.airflow.url}/moderation"

    def reviewing(self, **values: object) -> None:
        """Change the policy in force: its shipped form with other values of `reviewing`."""
        policy = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text(encoding="utf-8"))
        policy["reviewing"] |= values
        text = yaml.safe_dump(policy, sort_keys=False)
        self.shop.settings.policy_file.write_text(text, encoding="utf-8")

    def client(self, account: str | None = "reviewer") -> httpx.Client:
        """Log in with one of `stack.airflow.ACCOUNTS` (None: a stranger); carries the token."""
        if account is None:
            return httpx.Client(base_url=self.url, timeout=60)
        with self.airflow.client(account) as api:
            login = api.login
        page = httpx.get(f"{self.url}/help", headers=login, timeout=60).text
        token = page.partition('"token": "')[2].partition('"')[0]  # as a page's script has it
        headers = login | {"X-Moderation-Token": token}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@pytest.fixture(scope="session")
def pages_server(
    services: Services, champion_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Airflow, Settings, str]]:
    """The API server alone: no DAG runs are needed to look at pages."""
    folder = tmp_path_factory.mktemp("pages")
    source = make_url(services.database_url)
    admin = create_engine(services.airflow_database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"create database pages template {source.database}"))
    admin.dispose()
    policy = folder / "policy.yaml"
    policy.write_bytes((ROOT / "config" / "policy.yaml").read_bytes())
    settings = Settings(
        database_url=SecretStr(source.set(database="pages").render_as_string(hide_password=False)),
        s3_endpoint_url=services.s3_endpoint_url,
        s3_access_key=SecretStr(services.s3_access_key),
        s3_secret_key=SecretStr(services.s3_secret_key),
        photo_prefix=_PREFIX,
        data_dir=folder / "data",
        policy_file=policy,
        batch_images=8,
        device="cpu",
    )
    connections = open_connections(settings)
    connections.photos.create()
    connections.models.create()
    model_hash = registry.register(
        champion_folder, engine=connections.engine, store=connections.models
    )
    registry.promote(model_hash, engine=connections.engine, by="test", reason="test")
    connections.close()
    extra = {
        "MODERATION_PHOTO_PREFIX": _PREFIX,
        "MODERATION_POLICY_FILE": str(policy),
        "MODERATION_DEVICE": "cpu",
    }
    airflow = Airflow(folder / "airflow", services, settings, extra)
    airflow.prepare()
    airflow.start(["api-server"])
    yield airflow, settings, model_hash
    airflow.stop()


@pytest.fixture
def pages(pages_server: tuple[Airflow, Settings, str]) -> Iterator[Pages]:
    """The pages over an empty shop, whose champion is the test champion."""
    airflow, settings, model_hash = pages_server
    connections = open_connections(settings)
    now = datetime.now(UTC)
    window = Window(now - timedelta(minutes=10), now + timedelta(minutes=10))
    shop = Shop(settings, connections, window, model_hash)
    _empty(shop)
    opened = Pages(airflow, shop)
    # What is drawn by chance is asked for by the tests that want it.
    opened.reviewing(golden_share=0.0, second_review_share=0.0, withheld_share=0.0)
    yield opened
    connections.close()


def _empty(shop: Shop) -> None:
    """All tables but the versions'; more than one champion is left to who promoted it."""
    tables = shop.rows(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema in ('moderation', 'commerce') and table_type = 'BASE TABLE' "
        "and not table_name = any(:kept)",
        kept=sorted(_KEPT),
    )
    with shop.connections.engine.begin() as connection:
        # The append-only tables refuse even this, unless the session takes no triggers.
        connection.execute(text("set local session_replication_role = replica"))
        for (name,) in tables:
            connection.execute(text(f"delete from {name}"))  # noqa: S608 - names of our own tables
        connection.execute(text("delete from moderation.promotion"))
        mine = {"m": shop.model_hash}
        connection.execute(text("update moderation.champion set model_hash = :m"), mine)
        connection.execute(
            text("delete from moderation.model_version where model_hash <> :m"), mine
        )
