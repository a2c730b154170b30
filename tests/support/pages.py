"""Fixtures: Airflow's API server with the plugin, once per session; an empty shop per test."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import yaml

from devtools.embedded.services import Services
from devtools.local_stack.airflow import Airflow
from ml.core.settings import ROOT, Settings
from ml.core.window import Window
from ml.models import registry
from ml.policy.schema import load_policy
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import open_connections
from ml.storage.database import in_transaction
from tests.support.airflow import InstallAirflow
from tests.support.servers import Shop, copied_database, empty_tables, settings_for, shop_url

_PREFIX = "reviews/pages/"


@dataclass(frozen=True)
class PagesServer:
    """Airflow's API server, the settings of its pages, and the headers of logged-in accounts."""

    airflow: Airflow
    settings: Settings
    model_hash: str  # of the test champion
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def log_in(self, account: str) -> dict[str, str]:
        """Return the headers of one of `ACCOUNTS`: login and page token."""
        if account not in self.headers:
            with self.airflow.client(account) as api:
                login = api.login
            page = httpx.get(f"{self.airflow.url}/moderation/help", headers=login, timeout=60).text
            token = page.partition('"token": "')[2].partition('"')[0]  # as in a page's script
            self.headers[account] = login | {"X-Moderation-Token": token}
        return self.headers[account]


@dataclass(frozen=True)
class Pages:
    """The plugin's pages as Airflow serves them, and their shop."""

    server: PagesServer
    shop: Shop

    @property
    def airflow(self) -> Airflow:
        """The Airflow that serves the pages."""
        return self.server.airflow

    @property
    def url(self) -> str:
        """Base URL of the pages."""
        return f"{self.airflow.url}/moderation"

    def reviewing(self, **values: object) -> None:
        """Write the default policy with other values in its section `reviewing`."""
        policy = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text(encoding="utf-8"))
        policy["reviewing"] |= values
        text = yaml.safe_dump(policy, sort_keys=False)
        self.shop.settings.policy_file.write_text(text, encoding="utf-8")

    def store_policy(self) -> None:
        """Begin a nightly run with the file's policy."""
        policy = load_policy(self.shop.settings.policy_file)
        run = AuditRun("night", self.shop.window, self.shop.model_hash, policy, "cpu")
        in_transaction(self.shop.connections.engine, audit_runs.begin, run)

    def client(self, account: str | None = "reviewer") -> httpx.Client:
        """Return a client logged in as one of `ACCOUNTS` with its token (None: not logged in)."""
        if account is None:
            return httpx.Client(base_url=self.url, timeout=60)
        headers = self.server.log_in(account)
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@pytest.fixture(scope="session")
def pages_server(
    services: Services, install_airflow: InstallAirflow, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PagesServer]:
    """Start the API server alone; the pages need no DAG runs.

    It is served under a path, as behind a proxy that others share: links that are right there are
    right at the root, too.
    """
    folder = tmp_path_factory.mktemp("pages")
    policy = folder / "policy.yaml"
    policy.write_bytes((ROOT / "config" / "policy.yaml").read_bytes())
    extra = {
        "MODERATION_PHOTO_PREFIX": _PREFIX,
        "MODERATION_POLICY_FILE": str(policy),
        "MODERATION_DEVICE": "cpu",
    }
    with copied_database(services, shop_url(services)) as url:
        own = {"photo_prefix": _PREFIX, "data_dir": folder / "data", "policy_file": policy}
        settings = settings_for(services, url, **own)
        with closing(open_connections(settings)) as connections:
            model_hash = in_transaction(connections.engine, registry.champion_hash)
        parts, under = ["api-server"], "/airflow"
        home = folder / "airflow"
        with install_airflow(home, settings, extra, parts, base_path=under) as airflow:
            yield PagesServer(airflow, settings, model_hash)


@pytest.fixture
def pages(pages_server: PagesServer) -> Iterator[Pages]:
    """The pages of an empty shop whose champion is the test champion."""
    connections = open_connections(pages_server.settings)
    now = datetime.now(UTC)
    window = Window(now - timedelta(minutes=10), now + timedelta(minutes=10))
    shop = Shop(pages_server.settings, connections, window, pages_server.model_hash)
    empty_tables(shop)
    opened = Pages(pages_server, shop)
    # Random sampling is enabled only by the tests of it.
    opened.reviewing(golden_share=0.0, second_review_share=0.0, hide_scores_share=0.0)
    yield opened
    connections.close()
