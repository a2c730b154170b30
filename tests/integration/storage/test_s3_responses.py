"""A bucket, or a proxy before it, that returns something else than what was listed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ml.core.errors import InvalidResponse, ObjectChanged, StorageUnavailable
from ml.storage.object_store import RETRY_ATTEMPTS, ObjectStore
from ml.storage.s3_responses import ListedObject, opaque_etag
from tests.support.faulty_proxy import Answer, Fault
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]

DATA = b"the bytes of this photo"
OTHER = b"bytes of another photo!"
HTML = Answer(200, [("Content-Type", "text/html")], b"<html><body>Login</body></html>")
BROKEN_XML = Answer(200, [("Content-Type", "application/xml")], b"<ListBucketResult><IsTrunc")


@pytest.fixture
def listed(shop: Shop) -> ListedObject:
    key = shop.upload("a.jpg", DATA, row=False)
    ((found,),) = shop.connections.photos.list_pages(key)
    return found


@contextmanager
def _proxied(shop: Shop, fault: Fault) -> Iterator[ObjectStore]:
    with connections_through_proxy(shop, fault) as connections:
        yield connections.photos


def _get(shop: Shop, listed: ListedObject, fault: Fault, max_bytes: int | None = None) -> bytes:
    with _proxied(shop, fault) as store:
        return store.get(
            listed.key, etag=listed.etag, size_bytes=listed.size_bytes, max_bytes=max_bytes
        )


@pytest.mark.parametrize("body", [OTHER, DATA[:-1], DATA + b".", b""])
@pytest.mark.parametrize("chunked", [False, True])
def test_other_bytes_under_the_right_etag_are_retried_then_invalid(
    body: bytes, chunked: bool, shop: Shop, listed: ListedObject
) -> None:
    tries: list[str] = []

    def fault(_: str, path: str) -> Callable[[Answer], Answer]:
        tries.append(path)
        return lambda answer: Answer(200, answer.with_body(body).headers, body, chunked)

    with pytest.raises(InvalidResponse, match=r"a\.jpg: the bucket, or a proxy before it"):
        _get(shop, listed, fault)
    assert len(tries) == RETRY_ATTEMPTS


def test_right_bytes_without_a_length_are_read(shop: Shop, listed: ListedObject) -> None:
    def fault(*_: str) -> Callable[[Answer], Answer]:
        return lambda answer: Answer(answer.status, answer.headers, answer.body, chunked=True)

    assert _get(shop, listed, fault) == DATA
    assert _get(shop, listed, fault, max_bytes=4) == DATA[:5]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption", "aws:kms:dsse"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-storage-class", "EXPRESS_ONEZONE"),
        ("x-oss-object-type", "Appendable"),
    ],
)
def test_etag_that_is_no_md5_is_not_compared_but_the_length_is(
    name: str, value: str, shop: Shop, listed: ListedObject
) -> None:
    def fault(body: bytes) -> Fault:
        return lambda *_: lambda answer: answer.with_body(body).with_header(name, value)

    assert _get(shop, listed, fault(OTHER)) == OTHER
    with pytest.raises(InvalidResponse):
        _get(shop, listed, fault(OTHER[:-1]))


def test_etag_of_s3_managed_encryption_is_an_md5(shop: Shop, listed: ListedObject) -> None:
    def fault(*_: str) -> Callable[[Answer], Answer]:
        name, value = "x-amz-server-side-encryption", "AES256"
        return lambda answer: answer.with_body(OTHER).with_header(name, value)

    with pytest.raises(InvalidResponse, match="MD5"):
        _get(shop, listed, fault)


@pytest.mark.parametrize("found", ['W/"{}"', "{}", '"{}"'])
def test_weak_and_strong_etag_name_the_same_object(
    found: str, shop: Shop, listed: ListedObject
) -> None:
    def fault(*_: str) -> Callable[[Answer], Answer]:
        return lambda answer: answer.with_header("ETag", found.format(listed.etag))

    assert _get(shop, listed, fault) == DATA
    with _proxied(shop, fault) as store:
        assert store.head(listed.key) == listed
    with pytest.raises(ObjectChanged):
        _get(shop, listed, lambda *_: lambda answer: answer.with_header("ETag", 'W/"other"'))


def test_uppercase_md5_is_compared_without_case(shop: Shop, listed: ListedObject) -> None:
    upper = ListedObject(listed.key, listed.etag.upper(), len(DATA), listed.modified_at)

    def fault(body: bytes) -> Fault:
        header = Answer(200, [("ETag", f'"{upper.etag}"')], body)
        return lambda *_: header

    assert _get(shop, upper, fault(DATA)) == DATA
    with pytest.raises(InvalidResponse, match="MD5"):
        _get(shop, upper, fault(OTHER))


@pytest.mark.parametrize("answer", [HTML, BROKEN_XML, Answer(200, [], b""), Answer(302, [], b"")])
def test_response_that_is_not_s3_is_a_retried_error(
    answer: Answer, shop: Shop, listed: ListedObject
) -> None:
    with _proxied(shop, lambda *_: answer) as store:
        for use in (
            lambda: store.get(listed.key),
            lambda: store.get(listed.key, etag=listed.etag),
            lambda: store.head(listed.key),
            lambda: list(store.list_pages(listed.key)),
        ):
            with pytest.raises(InvalidResponse, match="MODERATION_S3_ENDPOINT_URL"):
                use()


@pytest.mark.parametrize(
    "fields", ["<Size>many</Size>", "<Size>1</Size><LastModified>once</LastModified>"]
)
def test_listing_of_no_number_or_time_is_a_retried_error(fields: str, shop: Shop) -> None:
    with pytest.raises(InvalidResponse, match="MODERATION_S3_ENDPOINT_URL"):
        _list(shop, _page("a1", size=fields))


@pytest.mark.parametrize("name", ["ETag", "Last-Modified", "Content-Length"])
def test_head_without_a_field_is_a_retried_error(
    name: str, shop: Shop, listed: ListedObject
) -> None:
    def fault(*_: str) -> Callable[[Answer], Answer]:
        return lambda answer: Answer(
            200, answer.with_header(name, None).headers, b"", name == "Content-Length"
        )

    with _proxied(shop, fault) as store, pytest.raises(InvalidResponse):
        store.head(listed.key)


def _page(*keys: str, more: str | None = None, size: str = "<Size>1</Size>") -> Answer:
    entries = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-11-29T00:00:00Z</LastModified>"
        f"<ETag>W/&quot;{key}&quot;</ETag>{size}</Contents>"
        for key in keys
    )
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    truncated = f"<IsTruncated>{'true' if more is not None else 'false'}</IsTruncated>"
    body = f"<ListBucketResult>{truncated}{token}{entries}</ListBucketResult>"
    return Answer(200, [("Content-Type", "application/xml")], body.encode())


def _list(shop: Shop, *pages: Answer) -> list[list[str]]:
    """Return the keys of each page of a listing; the last page is repeated."""
    rest = list(pages)
    with _proxied(shop, lambda *_: rest.pop(0) if len(rest) > 1 else rest[0]) as store:
        return [[found.key for found in page] for page in store.list_pages("a")]


def test_key_that_a_page_names_twice_counts_once(shop: Shop) -> None:
    assert _list(shop, _page("a1", "a1", "a2")) == [["a1", "a2"]]


def test_listing_continues_after_an_empty_page(shop: Shop) -> None:
    pages = _page("a1", more="t1"), _page(more="t2"), _page("a2")
    assert _list(shop, *pages) == [["a1"], [], ["a2"]]


def test_page_out_of_order_loses_no_key(shop: Shop) -> None:
    assert _list(shop, _page("a3", "a2", more="t1"), _page("a1")) == [["a3", "a2"], ["a1"]]


@pytest.mark.parametrize(
    "pages",
    [
        (_page("a1", more="t1"),),  # the same token for ever
        (_page("a1", more="t1"), _page("a2", more="t2"), _page("a3", more="t1")),
        (_page("a1", more=""),),  # truncated, but no token
        (_page("b1"),),  # of another prefix
        (_page("a1", size=""),),
    ],
)
def test_listing_that_is_wrong_is_a_retried_error_not_an_endless_loop(
    pages: tuple[Answer, ...], shop: Shop
) -> None:
    with pytest.raises(StorageUnavailable, match="not S3's response"):
        _list(shop, *pages)


def test_listing_of_empty_pages_ends(shop: Shop) -> None:
    tokens = iter(range(10_000))
    with (
        _proxied(shop, lambda *_: _page(more=f"t{next(tokens)}")) as store,
        pytest.raises(InvalidResponse, match="no end"),
    ):
        list(store.list_pages("a"))


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc"', "abc"])
def test_opaque_etag_is_the_part_between_the_quotes(etag: str) -> None:
    assert opaque_etag(etag) == "abc"
