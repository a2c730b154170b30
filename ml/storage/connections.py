"""The database, the two buckets and the commerce table that every step needs, by the settings."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine, Table
from structlog.contextvars import bound_contextvars

from ml.core.commerce_names import CommerceNames
from ml.core.errors import SettingsError
from ml.core.settings import Settings, load_settings, missing_database
from ml.storage.commerce_table import load_commerce_table
from ml.storage.database import connect, in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client


@dataclass(frozen=True)
class Connections:
    """Open connections; `model_cache` is a local folder of model versions fetched before."""

    engine: Engine
    photos: ObjectStore
    models: ObjectStore
    commerce_names: CommerceNames
    model_cache: Path

    @cached_property
    def commerce(self) -> Table:
        """The commerce table, by the types of its real columns; read once.

        Raises:
            SettingsError: it is missing or not supported; with the remedy.
        """
        return in_transaction(self.engine, load_commerce_table, self.commerce_names)

    def read_only(self) -> "Connections":
        """The same, but the database refuses every write."""
        engine = self.engine.execution_options(postgresql_readonly=True)
        return replace(self, engine=engine)

    def close(self) -> None:
        """Close them all."""
        self.engine.dispose()
        self.photos.close()
        self.models.close()


@contextmanager
def task_context(
    settings: Settings | None = None, **log_fields: object
) -> Iterator[tuple[Settings, Connections]]:
    """Open the connections that the settings name; closed at the end.

    For one task of a workflow or one command; without `settings`, those of the environment.
    `log_fields` are bound to its log lines.
    """
    settings = settings or load_settings()
    with bound_contextvars(**log_fields), closing(open_connections(settings)) as connections:
        yield settings, connections


def open_connections(settings: Settings) -> Connections:
    """Connect to what the settings name.

    Raises:
        SettingsError: no database is named; says how to name one.
    """
    if settings.database_url is None:
        raise SettingsError(missing_database(settings))
    client = s3_client(settings)
    return Connections(
        engine=connect(settings.database_url.get_secret_value()),
        photos=ObjectStore(client, settings.photo_bucket),
        models=ObjectStore(client, settings.model_bucket),
        commerce_names=settings.commerce,
        model_cache=settings.data_dir / "models",
    )
