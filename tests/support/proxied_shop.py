"""A shop whose photo bucket is accessed through a faulty proxy."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from ml.storage.connections import Connections
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.faulty_proxy import Fault, faulty_proxy
from tests.support.servers import Shop


@contextmanager
def connections_through_proxy(shop: Shop, fault: Fault) -> Iterator[Connections]:
    """Yield the shop's connections, with the photo bucket behind the proxy."""
    settings = shop.settings
    with faulty_proxy(settings.s3_endpoint_url or "", fault) as url:
        client = s3_client(settings.model_copy(update={"s3_endpoint_url": url}))
        with closing(client):
            yield replace(shop.connections, photos=ObjectStore(client, settings.photo_bucket))
