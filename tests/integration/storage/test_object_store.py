from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from pydantic import SecretStr

from ml.core.errors import InvalidResponse, ObjectChanged, ObjectNotFound, StorageForbidden
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.faulty_proxy import Answer
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop

pytestmark = pytest.mark.integration
HTML = [("Content-Type", "text/html")]


@pytest.fixture
def store(shop: Shop) -> ObjectStore:
    return shop.connections.photos


def test_put_object_can_be_read_and_is_listed(shop: Shop, store: ObjectStore) -> None:
    key = shop.upload("图 a+b%20.jpg", b"photo", row=False)
    (page,) = store.list_pages(shop.settings.photo_prefix)
    assert [(o.key, o.size_bytes) for o in page] == [(key, 5)]
    assert page[0].modified_at.tzinfo is not None
    assert store.get(key, etag=page[0].etag) == b"photo"


def test_get_missing_key_raises_object_not_found(shop: Shop, store: ObjectStore) -> None:
    with pytest.raises(ObjectNotFound, match=r"s3://review-photos/.*gone\.jpg"):
        store.get(f"{shop.settings.photo_prefix}gone.jpg")


def test_delete_twice_is_allowed(shop: Shop, store: ObjectStore) -> None:
    key = shop.upload("a.jpg", b"a", row=False)
    store.delete(key)
    store.delete(key)
    with pytest.raises(ObjectNotFound):
        store.get(key)


def test_get_replaced_object_raises_object_changed(shop: Shop, store: ObjectStore) -> None:
    key = shop.upload("a.jpg", b"before", row=False)
    ((listed,),) = store.list_pages(key)
    store.put(key, b"after")
    with pytest.raises(ObjectChanged):
        store.get(key, etag=listed.etag)
    assert store.get(key) == b"after"


@pytest.mark.parametrize("name", ["there.jpg", "absent.jpg"])
def test_wrong_secret_is_forbidden_never_missing(name: str, shop: Shop) -> None:
    shop.upload("there.jpg", b"photo", row=False)
    settings = shop.settings
    client = s3_client(settings.model_copy(update={"s3_secret_key": SecretStr("wrong")}))
    with closing(client):
        stranger = ObjectStore(client, settings.photo_bucket)
        for use in (
            lambda: stranger.get(f"{settings.photo_prefix}{name}"),
            lambda: list(stranger.list_pages(settings.photo_prefix)),
            lambda: stranger.check(settings.photo_prefix),
        ):
            with pytest.raises(StorageForbidden, match="check the access key"):
                use()


def test_list_pages_is_complete_and_in_byte_order(shop: Shop, store: ObjectStore) -> None:
    # Upper before lower case and before any Chinese: the order of bytes, not of a language.
    names = [f"{'Zaé图'[i % 4]}{i:04}" for i in range(1050)]
    keys = [f"{shop.settings.photo_prefix}{name}" for name in names]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), keys))
    pages = list(store.list_pages(shop.settings.photo_prefix))
    assert len(pages) > 1
    assert [o.key for page in pages for o in page] == sorted(keys, key=str.encode)


def test_list_pages_of_an_empty_prefix_is_one_empty_page(shop: Shop, store: ObjectStore) -> None:
    assert list(store.list_pages(f"{shop.settings.photo_prefix}nothing/")) == [[]]


@pytest.mark.parametrize(("size", "read"), [(0, 0), (10, 10), (11, 11), (5000, 11)])
def test_get_reads_at_most_one_byte_over_the_limit(
    size: int, read: int, shop: Shop, store: ObjectStore
) -> None:
    key = shop.upload(f"{size}.jpg", b"x" * size, row=False)
    assert len(store.get(key, max_bytes=10)) == read


@pytest.mark.parametrize(
    "page",
    [
        Answer(200, HTML, b"<html><body>Login</body></html>"),
        Answer(200, HTML, b"<html>Login<br></html>"),
        Answer(200, [], b""),
    ],
)
@pytest.mark.usefixtures("no_waiting")
def test_page_in_place_of_a_success_is_no_success(page: Answer, shop: Shop) -> None:
    with connections_through_proxy(shop, lambda *_: page) as connections:
        store = connections.photos
        uses = (
            lambda: store.check(""),
            lambda: store.put("a", b"a"),
            lambda: store.delete_many(["a"]),
        )
        for use in uses:
            with pytest.raises(InvalidResponse, match="MODERATION_S3_ENDPOINT_URL"):
                use()
        if page.headers:
            with pytest.raises(InvalidResponse, match="MODERATION_S3_ENDPOINT_URL"):
                store.delete("a")


def test_many_objects_are_deleted_whatever_their_keys(shop: Shop, store: ObjectStore) -> None:
    keys = [shop.upload(f"{n} 图&<a>.jpg", b"x", row=False) for n in range(3)]
    store.delete_many([*keys, f"{keys[0]}-absent"])
    assert list(store.list_pages(shop.settings.photo_prefix)) == [[]]
