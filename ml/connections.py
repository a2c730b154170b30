"""What every step needs: the database, the two buckets and the shop's table, from the settings."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Engine, Table

from ml.settings import Settings
from ml.storage.commerce import review_image
from ml.storage.database import connect
from ml.storage.object_store import ObjectStore, s3_client


@dataclass(frozen=True)
class Connections:
    """Open connections; `model_cache` is a local folder of model versions fetched before."""

    engine: Engine
    photos: ObjectStore
    models: ObjectStore
    commerce: Table
    model_cache: Path

    def close(self) -> None:
        """Close them all."""
        self.engine.dispose()
        self.photos.close()
        self.models.close()


def open_connections(settings: Settings) -> Connections:
    """Connect to what the settings name; where they name nothing, to the embedded servers."""
    settings = with_embedded(settings)
    client = s3_client(
        endpoint_url=settings.s3_endpoint_url,
        access_key=_plain(settings.s3_access_key),
        secret_key=_plain(settings.s3_secret_key),
        region=settings.s3_region,
    )
    return Connections(
        engine=connect(_plain(settings.database_url) or ""),
        photos=ObjectStore(client, settings.photo_bucket),
        models=ObjectStore(client, settings.model_bucket),
        commerce=review_image(settings.commerce),
        model_cache=settings.data_dir / "models",
    )


def with_embedded(settings: Settings) -> Settings:
    """The settings, with the embedded servers' addresses where none are given; starts them."""
    needs_s3 = settings.s3_endpoint_url is None and settings.s3_access_key is None
    if settings.database_url is not None and not needs_s3:
        return settings
    # Only where wanted: production has neither these packages nor a need for them.
    from ml.embedded.services import start  # noqa: PLC0415

    services = start(settings.data_dir)
    given: dict[str, object] = {}
    if settings.database_url is None:
        given["database_url"] = SecretStr(services.database_url)
    if needs_s3:
        given |= {
            "s3_endpoint_url": services.s3_endpoint_url,
            "s3_access_key": SecretStr(services.s3_access_key),
            "s3_secret_key": SecretStr(services.s3_secret_key),
        }
    return settings.model_copy(update=given)


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
