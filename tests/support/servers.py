"""Fixtures: one embedded PostgreSQL and SeaweedFS a session; a fresh database and prefix a test."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stamina
from pydantic import SecretStr
from sqlalchemy import NullPool, create_engine, make_url, text

from ml.audit.window import Window
from ml.connections import Connections, open_connections
from ml.embedded import services as embedded
from ml.model import registry
from ml.settings import Settings
from ml.storage.migrate import COMMERCE_REFERENCE, MODERATION, migrate
from ml.storage.object_store import RETRY_ATTEMPTS
from tests.support.champion import make_champion
from tests.support.policies import without_screens

_numbers = itertools.count()


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def services(servers_folder: Path) -> Iterator[embedded.Services]:
    started = embedded.start(servers_folder)
    template = create_engine(started.database_url)
    migrate(template, MODERATION)
    migrate(template, COMMERCE_REFERENCE)
    template.dispose()
    yield started
    embedded.remove(servers_folder)


@dataclass(frozen=True)
class Shop:
    """A shop of its own: database, key prefix, champion, and a window around now."""

    settings: Settings
    connections: Connections
    window: Window
    model_hash: str

    def upload(self, name: str, data: bytes, *, row: bool = True) -> str:
        """Put a photo and, unless told otherwise, its commerce row; returns its key."""
        key = f"{self.settings.photo_prefix}{name}"
        self.connections.photos.put(key, data)
        if row:
            self.add_row(key)
        return key

    def add_row(self, key: str, *, uploaded_at: datetime | None = None, review: int = 1) -> None:
        """Insert a pending commerce row."""
        self.execute(
            "insert into commerce.review_image (review_id, product_id, object_key, uploaded_at) "
            "values (:review, 1, :key, :at)",
            review=review,
            key=key,
            at=uploaded_at or datetime.now(UTC),
        )

    def execute(self, sql: str, **values: object) -> None:
        """Run a statement."""
        with self.connections.engine.begin() as connection:
            connection.execute(text(sql), values)

    def rows(self, sql: str, **values: object) -> list[tuple[object, ...]]:
        """Run a query."""
        with self.connections.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def status(self, key: str) -> object:
        """What the shop shows for a photo."""
        found = self.rows(
            "select moderation_status from commerce.review_image where object_key = :k", k=key
        )
        return found[0][0]


@pytest.fixture(scope="session")
def champion_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("champion")
    make_champion(folder)
    return folder


@contextmanager
def fresh_database(services: embedded.Services) -> Iterator[str]:
    """A fresh, migrated database's URL; it is dropped at the end."""
    name = f"test_{next(_numbers)}"
    admin = create_engine(
        services.airflow_database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    source = make_url(services.database_url)
    with admin.connect() as connection:
        connection.execute(text(f"create database {name} template {source.database}"))
    yield source.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    admin.dispose()


@pytest.fixture
def database_url(services: embedded.Services) -> Iterator[str]:
    """A fresh, migrated database."""
    with fresh_database(services) as url:
        yield url


@pytest.fixture
def shop(
    services: embedded.Services, database_url: str, champion_folder: Path, tmp_path: Path
) -> Iterator[Shop]:
    with open_shop(services, database_url, champion_folder, tmp_path) as opened:
        yield opened


@contextmanager
def open_shop(
    services: embedded.Services, database_url: str, champion_folder: Path, folder: Path
) -> Iterator[Shop]:
    """A shop on a fresh database; its local files go into a folder."""
    settings = Settings(
        database_url=SecretStr(database_url),
        s3_endpoint_url=services.s3_endpoint_url,
        s3_access_key=SecretStr(services.s3_access_key),
        s3_secret_key=SecretStr(services.s3_secret_key),
        photo_prefix=f"reviews/{next(_numbers)}/",
        data_dir=folder / "data",
        policy_file=without_screens(folder / "policy"),
        batch_images=8,
        fetch_threads=4,
        decode_threads=2,
        device="cpu",
    )
    connections = open_connections(settings)
    connections.photos.create()
    connections.models.create()
    model_hash = registry.register(
        champion_folder, engine=connections.engine, store=connections.models
    )
    registry.promote(model_hash, engine=connections.engine, by="test", reason="test")
    now = datetime.now(UTC)
    window = Window(now - timedelta(minutes=10), now + timedelta(minutes=10))
    yield Shop(settings, connections, window, model_hash)
    connections.close()


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """As many attempts as in earnest, without the pauses between them."""
    with stamina.set_testing(True, attempts=RETRY_ATTEMPTS):
        yield


@pytest.fixture
def own(shop: Shop, champion_folder: Path) -> Iterator[Shop]:
    """A shop with a model bucket of its own, for what walks or empties the whole bucket."""
    settings = shop.settings.model_copy(update={"model_bucket": f"models-{next(_numbers)}"})
    connections = open_connections(settings)
    connections.models.create()
    registry.register(champion_folder, engine=connections.engine, store=connections.models)
    yield replace(shop, settings=settings, connections=connections)
    connections.close()
