import pytest

from ml.core.errors import StorageForbidden
from ml.learning.labels.photo_archiver import archive_missing
from ml.storage.photo_archive import ArchivedPhoto, load, upsert
from ml.vision.images.fingerprint import content_hash
from ml.vision.images.open_photo import decode_limits
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

ONE, TWO, THREE = (photo(seed=n, size=(80, 60)) for n in range(3))
PLACED = (
    "insert into moderation.image (object_key, etag, size_bytes, uploaded_at, content_sha256) "
    "values (:key, :etag, 1, now() + cast(:age as interval), :content)"
)


def _keep(shop: Shop, *contents: bytes) -> dict[str, str]:
    hashes = [content_hash(content) for content in contents]
    limits = decode_limits(shop.settings)
    return archive_missing(hashes, limits=limits, connections=shop.connections)


def _rows(shop: Shop, *contents: bytes) -> dict[str, ArchivedPhoto]:
    with shop.connections.engine.begin() as connection:
        return load(connection, [content_hash(content) for content in contents])


def test_photos_of_a_nightly_run_are_archived_with_their_review(shop: Shop) -> None:
    key = shop.upload("a.jpg", ONE)
    shop.upload("copy.jpg", TWO)
    run_nightly(shop)
    assert _keep(shop, ONE) == {}
    found = _rows(shop, ONE, TWO)
    assert list(found) == [content_hash(ONE)]
    row = found[content_hash(ONE)]
    assert (row.object_key, row.review_id, row.size_bytes) == (key, "1", len(ONE))
    assert (row.width, row.height) == (80, 60)
    night = shop.rows("select pdq, pdq_quality from moderation.image where object_key = :k", k=key)
    assert night == [(row.pdq, row.pdq_quality)]
    assert shop.connections.models.get(f"labelled/{content_hash(ONE)}") == ONE


def test_archived_photo_stays_when_its_object_is_deleted(shop: Shop) -> None:
    key = shop.upload("a.jpg", ONE)
    run_nightly(shop)
    assert _keep(shop, ONE) == {}
    shop.connections.photos.delete(key)
    assert _keep(shop, ONE, ONE) == {}


def test_photo_that_cannot_be_archived_has_a_reason(shop: Shop) -> None:
    absent, changed = shop.upload("absent.jpg", ONE), shop.upload("changed.jpg", TWO)
    run_nightly(shop)
    shop.connections.photos.delete(absent)
    shop.connections.photos.put(changed, THREE)
    broken = b"no photo"
    key = shop.upload("broken.jpg", broken)
    shop.execute(PLACED, key=key, etag="", age="0", content=content_hash(broken))
    # Named by the ledger, but the bytes are others: not every S3's ETag says so.
    key = shop.upload("other.jpg", photo(seed=8))
    shop.execute(PLACED, key=key, etag="", age="0", content="0" * 64)
    limits = decode_limits(shop.settings)
    hashes = [*(content_hash(c) for c in (ONE, TWO, broken)), "0" * 64, "1" * 64]
    assert archive_missing(hashes, limits=limits, connections=shop.connections) == {
        content_hash(ONE): "object_absent",
        content_hash(TWO): "object_changed",
        content_hash(broken): "not_an_image",
        "0" * 64: "object_changed",
        "1" * 64: "never_seen",
    }
    assert _rows(shop, ONE, TWO, broken) == {}


def test_second_object_with_the_same_content_is_read(shop: Shop) -> None:
    gone, there = shop.upload("gone.jpg", ONE), shop.upload("there.jpg", ONE)
    run_nightly(shop)
    shop.execute(
        "update moderation.image set uploaded_at = uploaded_at + interval '1 hour' "
        "where object_key = :key",
        key=gone,
    )
    shop.connections.photos.delete(gone)
    assert _keep(shop, ONE) == {}
    assert _rows(shop, ONE)[content_hash(ONE)].object_key == there


@pytest.mark.usefixtures("no_waiting")
def test_forbidden_bucket_raises_and_rejects_no_photo(shop: Shop) -> None:
    shop.upload("a.jpg", ONE)
    run_nightly(shop)
    with connections_through_proxy(shop, lambda *_: 403) as spoilt, pytest.raises(StorageForbidden):
        archive_missing(
            [content_hash(ONE)], limits=decode_limits(shop.settings), connections=spoilt
        )
    assert _rows(shop, ONE) == {}


def test_existing_row_only_gains_a_missing_review(shop: Shop) -> None:
    row = ArchivedPhoto("a" * 64, "k", None, 1, 2, 3, "0" * 64, 50)
    engine = shop.connections.engine
    for key, review in (("k", None), ("other", "7"), ("third", "8"), ("fourth", None)):
        with engine.begin() as connection:
            upsert(connection, [ArchivedPhoto("a" * 64, key, review, 1, 2, 3, "0" * 64, 50)])
    with engine.begin() as connection:
        upsert(connection, [])
        found = load(connection, ["a" * 64, "b" * 64])
    assert found == {"a" * 64: ArchivedPhoto(**{**row.__dict__, "review_id": "7"})}
