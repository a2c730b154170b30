"""A shop whose photo bucket is reached through a proxy that spoils some answers."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from ml.connections import Connections
from ml.storage.object_store import ObjectStore, s3_client
from tests.support.faulty_proxy import Fault, faulty_proxy
from tests.support.servers import Shop


@contextmanager
def photos_through(shop: Shop, fault: Fault) -> Iterator[Connections]:
    """The shop's connections; only the photo bucket is spoilt."""
    settings = shop.settings
    assert settings.s3_access_key
    assert settings.s3_secret_key
    with faulty_proxy(settings.s3_endpoint_url or "", fault) as url:
        client = s3_client(
            endpoint_url=url,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            region=settings.s3_region,
        )
        with closing(client):
            yield replace(shop.connections, photos=ObjectStore(client, settings.photo_bucket))
