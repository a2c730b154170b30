"""A key whose object does not come as the bucket has it: reasons, and never a verdict."""

from dataclasses import replace

import httpx
import pytest

from tests.support.faulty_proxy import Fault, s3_error
from tests.support.photos import photo
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop
from tests.support.serving import serving

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]


def _predict(shop: Shop, fault: Fault) -> httpx.Response:
    key = shop.upload("a.jpg", photo(seed=1))
    with (
        connections_through_proxy(shop, lambda *at: fault(*at) if "a.jpg" in at[1] else None) as c,
        serving(replace(shop, connections=c)) as served,
    ):
        return served.predict(keys=(key,))


@pytest.mark.parametrize("other", [photo(seed=2), b""])
def test_other_bytes_under_the_right_etag_get_no_verdict(other: bytes, shop: Shop) -> None:
    def fault(method: str, _: str) -> object:
        return (lambda answer: answer.with_body(other)) if method == "GET" else None

    answer = _predict(shop, fault)  # type: ignore[arg-type]  # a narrower function
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "unreachable")
    assert "retry-after" in answer.headers


@pytest.mark.parametrize(
    ("status", "code", "answered", "reason"),
    [
        (404, "NoSuchKey", 404, "object_absent"),
        (404, "NoSuchBucket", 503, "unreachable"),
        (403, "InvalidObjectState", 409, "object_archived"),
        (403, "AccessDenied", 503, "forbidden"),
        (403, "RequestTimeTooSkewed", 503, "forbidden"),
    ],
)
def test_code_of_the_bucket_decides_the_reason(
    status: int, code: str, answered: int, reason: str, shop: Shop
) -> None:
    answer = _predict(shop, lambda *_: s3_error(status, code))
    assert (answer.status_code, answer.json()["error"]["reason"]) == (answered, reason)
    assert "s3://" not in answer.text
