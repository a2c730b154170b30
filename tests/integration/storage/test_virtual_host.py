"""A real SeaweedFS that finds the bucket in the host name.

`http_proxy` leads to the server, since the host names do not resolve; it reads its bucket from the
`Host` of each request, and verifies the signature of boto3 and of obstore.
"""

from collections.abc import Iterator
from contextlib import closing

import pytest

from devtools.embedded import services as embedded
from ml.core.errors import BucketNotFound
from ml.storage import fast_read
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.servers import Shop

DOMAIN = "http://s3.localhost"  # devtools/embedded/seaweedfs.py


@pytest.fixture
def store(
    shop: Shop, services: embedded.Services, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStore]:
    """The photo bucket in virtual-hosted style."""
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", services.s3_endpoint_url)
    # Reads behind a proxy are boto3's; obstore takes the same one from the environment.
    monkeypatch.setattr(fast_read, "get_environ_proxies", lambda _: {})
    update = {"s3_endpoint_url": DOMAIN, "s3_addressing": "virtual"}
    settings = shop.settings.model_copy(update=update)
    with closing(ObjectStore(s3_client(settings), settings.photo_bucket)) as opened:
        yield opened


def test_every_operation_finds_the_bucket_in_the_host_name(store: ObjectStore, shop: Shop) -> None:
    prefix = shop.settings.photo_prefix
    keys = [f"{prefix}{name}" for name in ("a b.jpg", "照片.jpg", "c+d.jpg")]
    for key in keys:
        store.put(key, key.encode())
    store.check(prefix)
    listed = [found.key for page in store.list_pages(prefix) for found in page]
    assert listed == sorted(keys)
    assert [shop.connections.photos.get(key) for key in keys] == [key.encode() for key in keys]
    assert store.head(keys[0]).size_bytes == len(keys[0])
    store.delete(keys[0])
    store.delete_many(keys[1:])
    assert list(store.list_pages(prefix)) == [[]]


def test_obstore_reads_from_the_bucket_of_the_host_name(
    store: ObjectStore, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = shop.upload("a.jpg", b"photo", row=False)
    assert store.get(key) == b"photo"
    assert store._reader.is_used
    assert store._reader._url == f"http://{store.bucket}.s3.localhost"
    monkeypatch.setattr(store, "_read_by_boto3", lambda *_: pytest.fail("boto3 reads"))
    assert store.get(key) == b"photo"


def test_unknown_bucket_is_not_found(store: ObjectStore) -> None:
    with pytest.raises(BucketNotFound):
        ObjectStore(store._client, "no-such-bucket").check("")
