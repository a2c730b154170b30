import hashlib
from datetime import UTC, datetime

import pytest

from ml.core.errors import BucketNotFound, ImageRejected
from ml.core.manifest import ListedPhoto, PhotoList
from ml.learning.pretraining.bucket_photos import bucket_photos, own_origins
from ml.models.training.image_folder import Photo
from ml.storage.object_store import ObjectStore
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _listed(*keys: str) -> PhotoList:
    photos = tuple(
        ListedPhoto(content_sha256=hashlib.sha256(photo(seed=number)).hexdigest(), object_key=key)
        for number, key in enumerate(keys)
    )
    start, end = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
    return PhotoList(uploaded_from=start, uploaded_before=end, photos=photos)


@pytest.fixture
def kept(shop: Shop) -> Photo:
    key = shop.upload("a.jpg", photo(seed=0), row=False)
    return bucket_photos(_listed(key).photos, shop.connections.photos)[0]


def test_photo_is_read_from_the_bucket(kept: Photo) -> None:
    assert kept.read(10**6) == photo(seed=0)


def test_deleted_and_replaced_photos_are_left_out(kept: Photo, shop: Shop) -> None:
    shop.connections.photos.put(kept.name, photo(seed=1))
    with pytest.raises(ImageRejected, match="object_changed"):
        kept.read(10**6)
    shop.connections.photos.delete(kept.name)
    with pytest.raises(ImageRejected, match="object_absent"):
        kept.read(10**6)


def test_photo_uploaded_again_with_the_same_bytes_is_read(kept: Photo, shop: Shop) -> None:
    shop.connections.photos.put(kept.name, photo(seed=1))
    shop.connections.photos.put(kept.name, photo(seed=0))
    assert kept.read(10**6) == photo(seed=0)


def test_bucket_that_is_missing_is_no_fault_of_a_photo(shop: Shop) -> None:
    store = ObjectStore(shop.connections.photos._client, "no-such-bucket")
    with pytest.raises(BucketNotFound):
        bucket_photos(_listed("reviews/a.jpg").photos, store)[0].read(10**6)


def test_origins_say_that_the_photos_are_the_shops_own(shop: Shop) -> None:
    listed = _listed("reviews/a.jpg", "reviews/b.jpg")
    origins = own_origins(listed, shop.connections.photos)
    assert set(origins) == {p.content_sha256 for p in listed.photos}
    assert {origin.licence for origin in origins.values()} == {"the shop's own photos"}
