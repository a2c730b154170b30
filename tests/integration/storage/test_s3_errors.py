"""What each of S3's error codes means: for this object, this bucket or this machine."""

import re

import pytest

from ml.core.errors import (
    BucketForbidden,
    BucketNotFound,
    BucketUnusable,
    ClockSkewed,
    InvalidResponse,
    ObjectArchived,
    ObjectChanged,
    ObjectNotFound,
    StorageError,
    StorageForbidden,
    StorageUnavailable,
)
from ml.storage.object_store import CLOCK_ATTEMPTS, RETRY_ATTEMPTS
from tests.support.faulty_proxy import Answer, s3_error
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]

HTML = [("Content-Type", "text/html")]
CODES = [
    (404, "NoSuchKey", ObjectNotFound, ""),
    (404, "NoSuchBucket", BucketNotFound, "bucket's name"),
    (412, "PreconditionFailed", ObjectChanged, ""),
    (403, "InvalidObjectState", ObjectArchived, "restore it"),
    (403, "AccessDenied", StorageForbidden, "check the access key and its rights"),
    (403, "SignatureDoesNotMatch", StorageForbidden, "MODERATION_S3_SECRET_KEY"),
    (403, "InvalidAccessKeyId", BucketForbidden, "MODERATION_S3_ACCESS_KEY"),
    (403, "RequestTimeTooSkewed", ClockSkewed, "set this machine's clock"),
    (400, "ExpiredToken", BucketForbidden, "renew them"),
    (403, "SecondLevelDomainForbidden", BucketForbidden, "S3_ADDRESSING=virtual"),
    (403, "PathStyleDomainForbidden", BucketForbidden, "S3_ADDRESSING=virtual"),
    (403, "InvalidPathAccess", BucketForbidden, "S3_ADDRESSING=virtual"),
    (400, "VirtualHostDomainRequired", BucketForbidden, "S3_ADDRESSING=virtual"),
    (403, "AccountProblem", BucketForbidden, "ask the provider"),
    (403, "AllAccessDisabled", BucketForbidden, "ask the provider"),
    (400, "KMS.DisabledException", StorageForbidden, "encryption key"),
    (403, "KMS.AccessDeniedException", StorageForbidden, "encryption key"),
    (400, "KMS.ThrottlingException", StorageUnavailable, ""),
    (400, "AuthorizationHeaderMalformed", BucketUnusable, "MODERATION_S3_REGION.*eu-west-9"),
    (301, "PermanentRedirect", BucketUnusable, "MODERATION_S3_REGION.*eu-west-9"),
    (307, "TemporaryRedirect", StorageUnavailable, "MODERATION_S3_REGION"),
    (403, "SecurityTokenExpired", BucketForbidden, "renew them"),
    (500, "InternalError", StorageUnavailable, ""),
    (503, "ServiceUnavailable", StorageUnavailable, ""),
    (409, "OperationAborted", StorageUnavailable, ""),
    (503, "SlowDown", StorageUnavailable, ""),
]


def _error_of(shop: Shop, answer: Answer, *, head: bool = False) -> tuple[StorageError, int]:
    """Return the error of reading one object, and how often it was requested."""
    requests: list[str] = []

    def fault(method: str, _: str) -> Answer:
        requests.append(method)
        return answer

    with connections_through_proxy(shop, fault) as connections:
        read = connections.photos.head if head else connections.photos.get
        with pytest.raises(StorageError) as raised:
            read("reviews/a.jpg")
    return raised.value, requests.count("GET")


@pytest.mark.parametrize(("status", "code", "error", "remedy"), CODES, ids=[c[1] for c in CODES])
def test_code_decides_the_error_and_its_remedy(
    status: int, code: str, error: type[StorageError], remedy: str, shop: Shop
) -> None:
    answer = s3_error(status, code, Region="eu-west-9")
    found, _ = _error_of(shop, answer)
    assert type(found) is error
    assert re.search(rf"{code}.*{remedy}", str(found))


@pytest.mark.parametrize(
    ("code", "error"),
    [("NoSuchKey", ObjectNotFound), ("NoSuchBucket", BucketNotFound)],
)
def test_head_distinguishes_a_missing_bucket_from_a_missing_object(
    code: str, error: type[StorageError], shop: Shop
) -> None:
    found, _ = _error_of(shop, s3_error(404, code), head=True)
    assert type(found) is error


def test_wrong_clock_is_tried_a_few_times_only(shop: Shop) -> None:
    assert _error_of(shop, s3_error(403, "RequestTimeTooSkewed"))[1] == CLOCK_ATTEMPTS
    assert _error_of(shop, s3_error(503, "SlowDown"))[1] == RETRY_ATTEMPTS
    assert _error_of(shop, s3_error(403, "AccessDenied"))[1] == 1


@pytest.mark.parametrize("status", [301, 302, 400, 404, 405, 410, 500, 502])
def test_error_page_of_a_proxy_is_not_taken_for_s3(status: int, shop: Shop) -> None:
    page = Answer(status, HTML, b"<html><body>not here</body></html>")
    found, requests = _error_of(shop, page)
    assert type(found) is InvalidResponse
    assert requests == RETRY_ATTEMPTS


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_of_a_proxy_is_forbidden(status: int, shop: Shop) -> None:
    found, _ = _error_of(shop, Answer(status, HTML, b"<html>blocked</html>"))
    assert type(found) is StorageForbidden
