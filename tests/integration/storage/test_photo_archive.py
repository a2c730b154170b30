import pytest

from ml.core.errors import ObjectArchived, StorageForbidden, StorageUnavailable
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.photo_archive import locate, read
from ml.vision.images.fingerprint import content_hash
from tests.support.faulty_proxy import s3_error
from tests.support.labelled_photos import archive_photo
from tests.support.photos import DARK, photo
from tests.support.proxied_shop import connections_through_proxy
from tests.support.review_tasks import stored_photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

DATA = photo(DARK)


def _read(connections: Connections, data: bytes = DATA) -> bytes:
    places = in_transaction(connections.engine, lambda c: locate(c, content_hash(data)))
    stores = {"photos": connections.photos, "models": connections.models}
    return read(places, **stores, max_bytes=10**6)


def test_locate_returns_objects_and_size(shop: Shop) -> None:
    keys = [stored_photo(shop, name, DATA) for name in ("a.jpg", "b.jpg")]
    shop.execute("update moderation.image set uploaded_at = now() where object_key = :k", k=keys[0])
    places = in_transaction(shop.connections.engine, lambda c: locate(c, content_hash(DATA)))
    assert [key for key, _ in places.objects] == keys
    assert places.size == (64, 48)
    assert _read(shop.connections) == DATA


def test_read_archived_photo_without_an_upload(shop: Shop) -> None:
    content = archive_photo(shop, DATA)
    places = in_transaction(shop.connections.engine, lambda c: locate(c, content))
    assert (places.objects, places.size) == ((), (64, 48))
    assert _read(shop.connections) == DATA


def test_read_of_an_archived_object_takes_the_copy_or_says_so(shop: Shop) -> None:
    data = photo(DARK, seed=20_261)  # no other test archives it: they share the model bucket
    stored_photo(shop, "a.jpg", data)
    in_tier = s3_error(403, "InvalidObjectState")
    with connections_through_proxy(shop, lambda *_: in_tier) as connections:
        with pytest.raises(ObjectArchived, match="restore it"):
            _read(connections, data)
        archive_photo(shop, data)
        assert _read(connections, data) == data


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(("status", "error"), [(403, StorageForbidden), (500, StorageUnavailable)])
def test_read_from_an_unavailable_bucket_is_never_not_found(
    shop: Shop, status: int, error: type[Exception]
) -> None:
    stored_photo(shop, "a.jpg", DATA)
    archive_photo(shop, DATA)
    with connections_through_proxy(shop, lambda *_: status) as connections, pytest.raises(error):
        _read(connections)
