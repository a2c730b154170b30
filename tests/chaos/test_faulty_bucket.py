"""The faults are what they are called: read with boto3, or byte by byte, from the real bucket."""

import http.client
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from ml.storage.object_store import ObjectStore, s3_client
from tests.chaos import faulty_bucket as answers
from tests.chaos.faulty_bucket import Change, faulty_bucket
from tests.support.servers import Shop

pytestmark = pytest.mark.integration
DATA = b"0123456789"


@pytest.fixture
def uploaded(shop: Shop) -> Shop:
    for name in ("a", "b", "c"):
        shop.upload(f"{name}.jpg", DATA)
    return shop


def _get(shop: Shop, change: Change) -> tuple[int, bytes, str | None]:
    """Status, body and ETag of a GET through the proxy, signed by boto3."""
    with faulty_bucket(shop.settings.s3_endpoint_url or "", change) as url:
        client = _client(shop, url)
        key = f"{shop.settings.photo_prefix}a.jpg"
        signed = client.generate_presigned_url(
            "get_object", Params={"Bucket": shop.settings.photo_bucket, "Key": key}
        )
        client.close()
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
            connection.request("GET", signed.removeprefix(url))
            answer = connection.getresponse()
            try:
                body = answer.read()
            except http.client.IncompleteRead as error:
                body = b"cut after " + error.partial
            return answer.status, body, answer.headers["ETag"]


def _client(shop: Shop, url: str):  # noqa: ANN202 - boto3's client
    keys = shop.settings.s3_access_key, shop.settings.s3_secret_key
    access, secret = (key.get_secret_value() for key in keys if key)
    return s3_client(endpoint_url=url, access_key=access, secret_key=secret, region="us-east-1")


def _listed(shop: Shop, change: Change) -> list[str]:
    with faulty_bucket(shop.settings.s3_endpoint_url or "", change) as url:
        store = ObjectStore(_client(shop, url), shop.settings.photo_bucket)
        keys = [
            found.key for page in store.list_pages(shop.settings.photo_prefix) for found in page
        ]
        store.close()
    return [key.rpartition("/")[2] for key in keys]


def test_bodies(uploaded: Shop) -> None:
    _, _, etag = _get(uploaded, lambda _, forward: forward())
    assert etag
    assert _get(uploaded, answers.short_body) == (200, b"01234", etag)
    assert _get(uploaded, answers.empty_body) == (200, b"", etag)
    assert _get(uploaded, answers.other_bytes(b"another")) == (200, b"another", etag)
    assert _get(uploaded, answers.cut_body) == (200, b"cut after 01234", etag)
    assert _get(uploaded, answers.weak_etag) == (200, DATA, f"W/{etag}")
    assert _get(uploaded, answers.without_etag) == (200, DATA, None)


def test_errors_and_pages(uploaded: Shop) -> None:
    status, body, _ = _get(uploaded, answers.xml_error(403, "InvalidObjectState"))
    assert status == 403
    assert b"<Code>InvalidObjectState</Code>" in body
    assert _get(uploaded, answers.html_page)[1].startswith(b"<html>")


def test_listings(uploaded: Shop) -> None:
    assert _listed(uploaded, lambda _, forward: forward()) == ["a.jpg", "b.jpg", "c.jpg"]
    seen: list[bytes] = []

    def doubled(request: answers.Request, forward: answers.Forward) -> answers.Answer:
        answer = answers.duplicated_keys(request, forward)
        seen.append(answer.body)
        return answer

    _listed(uploaded, doubled)
    assert seen[0].count(b"b.jpg") == 2
    assert seen[0].count(b"a.jpg") == seen[0].count(b"c.jpg") == 1
