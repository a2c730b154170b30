"""A shop whose photo bucket is accessed through a faulty proxy."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from ml.storage.connections import Connections
from ml.storage.object_store import ObjectStore, s3_client
from tests.support.faulty_proxy import Fault, faulty_proxy
from tests.support.servers import Shop


@contextmanager
def connections_through_proxy(shop: Shop, fault: Fault) -> Iterator[Connections]:
    """Yield the shop's connections, with the photo bucket behind the proxy."""
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
