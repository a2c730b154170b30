"""The faults are what they are called: read with boto3 from the real bucket."""

from contextlib import closing

import pytest
from botocore.exceptions import ClientError
from urllib3.exceptions import ProtocolError

from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
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


def _get(shop: Shop, change: Change) -> tuple[bytes, str | None]:
    """Body and ETag of a GET through the proxy."""
    with (
        faulty_bucket(shop.settings.s3_endpoint_url or "", change) as url,
        closing(_client(shop, url)) as client,
    ):
        key = f"{shop.settings.photo_prefix}a.jpg"
        answer = client.get_object(Bucket=shop.settings.photo_bucket, Key=key)
        with answer["Body"] as body:
            return body.read(), answer.get("ETag")


def _client(shop: Shop, url: str):  # noqa: ANN202 - boto3's client
    return s3_client(shop.settings.model_copy(update={"s3_endpoint_url": url}))


def _listed(shop: Shop, change: Change) -> list[str]:
    with faulty_bucket(shop.settings.s3_endpoint_url or "", change) as url:
        store = ObjectStore(_client(shop, url), shop.settings.photo_bucket)
        keys = [
            found.key for page in store.list_pages(shop.settings.photo_prefix) for found in page
        ]
        store.close()
    return [key.rpartition("/")[2] for key in keys]


def test_bodies(uploaded: Shop) -> None:
    data, etag = _get(uploaded, lambda _, forward: forward())
    assert data == DATA
    assert _get(uploaded, answers.short_body) == (b"01234", etag)
    assert _get(uploaded, answers.empty_body) == (b"", etag)
    assert _get(uploaded, answers.other_bytes(b"another")) == (b"another", etag)
    assert _get(uploaded, answers.weak_etag) == (DATA, f"W/{etag}")
    assert _get(uploaded, answers.without_etag) == (DATA, None)
    assert _get(uploaded, answers.html_page)[0].startswith(b"<html>")
    with pytest.raises(ProtocolError, match="IncompleteRead"):
        _get(uploaded, answers.cut_body)


def test_errors(uploaded: Shop) -> None:
    with pytest.raises(ClientError) as caught:
        _get(uploaded, answers.xml_error(403, "InvalidObjectState"))
    assert caught.value.response["Error"]["Code"] == "InvalidObjectState"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


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
