"""Fixtures: embedded PostgreSQL and SeaweedFS per worker; a new database and key prefix per test.

Each worker of a parallel run has its own servers, since roles, buckets and Airflow's metadata
belong to a whole server.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stamina
from pydantic import SecretStr
from sqlalchemy import Connection, NullPool, create_engine, make_url, text

from devtools.embedded import services as embedded
from ml.core.settings import Settings
from ml.core.window import Window
from ml.models import registry
from ml.models.checkpoint import CARD, WEIGHTS
from ml.storage.connections import Connections, open_connections
from ml.storage.database import COMMERCE_REFERENCE, MODERATION, in_transaction, migrate
from ml.storage.object_store import RETRY_ATTEMPTS
from tests.support.champion import make_champion
from tests.support.policies import without_screens

SHOP = "shop"  # template database of the shops
_KEPT = {"alembic_version", "sampling_key", "model_version", "champion", "promotion"}
_numbers = itertools.count()


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def services(servers_folder: Path, champion_folder: Path) -> Iterator[embedded.Services]:
    """Start the servers and create the two template databases of the tests."""
    with running_servers(servers_folder) as started:
        with superuser(started) as connection:
            connection.execute(text(f"create database {SHOP} template {embedded.DATABASE}"))
        _register_champion(settings_for(started, shop_url(started)), champion_folder)
        yield started


@contextmanager
def running_servers(folder: Path) -> Iterator[embedded.Services]:
    """Start servers whose database has both schemas; they are removed at the end."""
    started = embedded.start(folder)
    try:
        disable_durability(started)
        template = create_engine(started.database_url)
        migrate(template, MODERATION)
        migrate(template, COMMERCE_REFERENCE)
        template.dispose()
        yield started
    finally:
        embedded.remove(folder)


def shop_url(services: embedded.Services) -> str:
    """Return the URL of the template database of the shops, which has a champion."""
    return make_url(services.database_url).set(database=SHOP).render_as_string(hide_password=False)


def disable_durability(services: embedded.Services) -> None:
    """Disable durability for speed: no test depends on surviving a power failure."""
    with superuser(services) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"alter system set {name} = off"))
        connection.execute(text("select pg_reload_conf()"))


def settings_for(services: embedded.Services, database_url: str, **more: object) -> Settings:
    """Return settings for the servers; `more` are additional ones."""
    return Settings(
        database_url=SecretStr(database_url),
        s3_endpoint_url=services.s3_endpoint_url,
        s3_access_key=SecretStr(services.s3_access_key),
        s3_secret_key=SecretStr(services.s3_secret_key),
        device="cpu",
        batch_size=8,
        **{"inference": "torch", "number_type": "float32"} | more,  # type: ignore[arg-type]  # handed through
    )


def _register_champion(settings: Settings, folder: Path) -> None:
    """Create the buckets, and promote the test champion in the template database."""
    connections = open_connections(settings)
    connections.photos.create()
    connections.models.create()
    model_hash = registry.register(folder, engine=connections.engine, store=connections.models)
    registry.promote(model_hash, engine=connections.engine, by="test", reason="test")
    connections.close()


@dataclass(frozen=True)
class Shop:
    """A separate shop: database, key prefix, champion, and a window around now."""

    settings: Settings
    connections: Connections
    window: Window
    model_hash: str

    def upload(self, name: str, data: bytes, *, row: bool = True) -> str:
        """Put a photo and, by default, its commerce row; return its key."""
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
        """Return the status of a photo in the commerce table."""
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
def superuser(services: embedded.Services) -> Iterator[Connection]:
    """Yield a superuser connection, to create databases and roles."""
    url = make_url(services.database_url).set(database="postgres")
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


@contextmanager
def copied_database(services: embedded.Services, url: str) -> Iterator[str]:
    """Yield the URL of a copy of a database without connections; it is dropped at the end."""
    source, name = make_url(url), f"test_{next(_numbers)}"
    with superuser(services) as connection:
        connection.execute(text(f"create database {name} template {source.database}"))
    yield source.set(database=name).render_as_string(hide_password=False)
    with superuser(services) as connection:
        connection.execute(text(f"drop database {name} with (force)"))


@contextmanager
def fresh_shop(services: embedded.Services, folder: Path, **more: object) -> Iterator[Shop]:
    """Yield a shop on its own database, with local files in `folder`; `more` are settings."""
    with (
        copied_database(services, shop_url(services)) as url,
        open_shop(services, url, folder, **more) as shop,
    ):
        yield shop


@pytest.fixture
def database_url(services: embedded.Services) -> Iterator[str]:
    """A new, migrated database without a champion."""
    with copied_database(services, services.database_url) as url:
        yield url


@pytest.fixture
def shop(services: embedded.Services, champion_folder: Path, tmp_path: Path) -> Iterator[Shop]:
    with fresh_shop(services, tmp_path) as opened:
        fill_model_cache(opened, champion_folder)
        yield opened


def fill_model_cache(shop: Shop, champion_folder: Path) -> None:
    """Fill the model cache with hard links, to avoid a download of 45 MB."""
    cached = shop.connections.model_cache / shop.model_hash
    cached.mkdir(parents=True)
    for name in (WEIGHTS, CARD):
        (cached / name).hardlink_to(champion_folder / name)


@contextmanager
def open_shop(
    services: embedded.Services, database_url: str, folder: Path, **more: object
) -> Iterator[Shop]:
    """Yield a shop on a database that has a champion."""
    settings = settings_for(
        services,
        database_url,
        photo_prefix=f"reviews/{next(_numbers)}/",
        data_dir=folder / "data",
        policy_file=without_screens(folder / "policy"),
        fetch_threads=4,
        decode_workers=2,
        **more,
    )
    connections = open_connections(settings)
    model_hash = in_transaction(connections.engine, registry.champion_hash)
    now = datetime.now(UTC)
    window = Window(now - timedelta(minutes=10), now + timedelta(hours=2))
    yield Shop(settings, connections, window, model_hash)
    connections.close()


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Retries without waiting, with the production number of attempts."""
    with stamina.set_testing(True, attempts=RETRY_ATTEMPTS, cap=True):
        yield


@contextmanager
def own_bucket(services: embedded.Services, champion_folder: Path, folder: Path) -> Iterator[Shop]:
    """Yield a shop with its own model bucket, for tests that list or empty the whole bucket."""
    with fresh_shop(services, folder, model_bucket=f"models-{next(_numbers)}") as shop:
        shop.connections.models.create()
        registry.register(
            champion_folder, engine=shop.connections.engine, store=shop.connections.models
        )
        yield shop


@pytest.fixture
def own(services: embedded.Services, champion_folder: Path, tmp_path: Path) -> Iterator[Shop]:
    """A shop with its own model bucket."""
    with own_bucket(services, champion_folder, tmp_path) as opened:
        yield opened


def empty_tables(shop: Shop) -> None:
    """Reset a shared shop: delete all rows and restore the test champion."""
    tables = shop.rows(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema in ('moderation', 'commerce') and table_type = 'BASE TABLE' "
        "and not table_name = any(:kept)",
        kept=sorted(_KEPT),
    )
    with shop.connections.engine.begin() as connection:
        # Triggers of the append-only tables forbid the deletes.
        connection.execute(text("set local session_replication_role = replica"))
        for (name,) in tables:
            connection.execute(text(f"delete from {name}"))  # noqa: S608 - names of our own tables
        connection.execute(text("delete from moderation.promotion"))
        mine = {"m": shop.model_hash}
        connection.execute(text("update moderation.champion set model_hash = :m"), mine)
        connection.execute(
            text("delete from moderation.model_version where model_hash <> :m"), mine
        )


def delete_photos(shop: Shop) -> None:
    """Delete the photos of earlier tests."""
    store = shop.connections.photos
    for listed in list(store.list_pages(shop.settings.photo_prefix)):
        for photo in listed:
            store.delete(photo.key)
