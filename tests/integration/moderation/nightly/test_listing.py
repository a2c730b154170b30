"""Whole nightly runs on listings that repeat a key, or name one that no row can have."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from ml.storage.s3_responses import ListedObject
from tests.support.faulty_proxy import Answer
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, photo
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _page(*objects: ListedObject, more: str = "") -> Answer:
    entries = "".join(
        f"<Contents><Key>{quote(found.key)}</Key><Size>{found.size_bytes}</Size>"
        f"<LastModified>{found.modified_at.isoformat()}</LastModified>"
        f"<ETag>&quot;{found.etag}&quot;</ETag></Contents>"
        for found in objects
    )
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    body = (
        f"<ListBucketResult><EncodingType>url</EncodingType>{token}"
        f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{entries}</ListBucketResult>"
    )
    return Answer(200, [("Content-Type", "application/xml")], body.encode())


def test_repeated_and_unusable_keys_do_not_stop_the_night(shop: Shop) -> None:
    keys = [shop.upload(f"{n}.jpg", photo(BRIGHT, seed=n)) for n in range(2)]
    ((first, second),) = shop.connections.photos.list_pages(shop.settings.photo_prefix)
    strange = [replace(first, key=f"{first.key}\0"), replace(first, key=f"{first.key}{'图' * 900}")]

    def fault(_: str, path: str) -> Answer | None:
        if "list-type" not in path or "max-keys" in path:
            return None
        if "continuation-token" in path:
            return _page(first, *strange, second)
        return _page(first, first, more="t")

    with connections_through_proxy(shop, fault) as connections:
        report = run_nightly(replace(shop, connections=connections))
    assert (report["listed"], report["judged"]) == (2, 2)
    assert [shop.status(key) for key in keys] == ["pass", "pass"]
