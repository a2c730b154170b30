"""S3's error codes: which error each one raises, and what to do about it.

A code concerns one object (`ObjectNotFound`, `ObjectChanged`, `ObjectArchived`), the bucket or this
machine (`BucketUnusable`), or it leaves that open (`StorageForbidden`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ProxyConnectionError
from urllib3.exceptions import HTTPError

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

RIGHTS = "check the access key and its rights"
_SIGNATURE = (
    "check the access key's secret, MODERATION_S3_SECRET_KEY; if only some keys fail, a proxy "
    "rewrites their paths"
)
_BUCKET = "check the bucket's name in the settings, or create the bucket"
_KEY = (
    "check the access key, MODERATION_S3_ACCESS_KEY; a temporary one (ASIA..., STS....) needs its "
    "MODERATION_S3_SESSION_TOKEN"
)
_RENEW = (
    "the temporary keys are no longer valid, renew them: MODERATION_S3_ACCESS_KEY, "
    "MODERATION_S3_SECRET_KEY and MODERATION_S3_SESSION_TOKEN; a role renews its own "
    "(MODERATION_S3_CREDENTIALS=chain)"
)
_ISSUED = (
    "set MODERATION_S3_SESSION_TOKEN to the token that was issued with these keys, or unset it if "
    "they are permanent; if it was right before, renew them"
)
_V4 = "set MODERATION_S3_SIGNATURE=v4"
_SSE = "the store refuses MODERATION_S3_SSE: set none, or what it offers"
_CHUNKED = (
    "the server refuses an aws-chunked body, which this program never sends: a proxy in between "
    "changes the requests; leave it out (NO_PROXY)"
)
PROXY = "check the proxy, HTTPS_PROXY or HTTP_PROXY, or leave it out for this host by NO_PROXY"
BUNDLE = "AWS_CA_BUNDLE must name a readable PEM file of certificate authorities"
_CLOCK = "set this machine's clock, by NTP"
_REGION = "set MODERATION_S3_REGION and MODERATION_S3_ENDPOINT_URL to those of the bucket"
_STYLE = "set MODERATION_S3_ADDRESSING=virtual"
_ACCOUNT = "the provider has closed the account or the bucket: ask the provider"
_KMS = "the object's encryption key (KMS) is refused: enable it, and let the access key decrypt"
UNKNOWN_AUTHORITY = (
    "name the authority that signed the server's certificate in AWS_CA_BUNDLE (a PEM file)"
)
_IN_FRONT = "this is not S3's response: check MODERATION_S3_ENDPOINT_URL and the proxies before it"

# AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. `SecondLevelDomain...`
# and `UserDisable` are Alibaba's, `PathStyleDomain...` is Tencent's.
_BY_CODE: Mapping[str, tuple[type[StorageError], str]] = {
    "NoSuchKey": (ObjectNotFound, ""),
    "NoSuchVersion": (ObjectNotFound, ""),
    "PreconditionFailed": (ObjectChanged, ""),
    "InvalidObjectState": (ObjectArchived, "the object is archived: restore it"),
    "NoSuchBucket": (BucketNotFound, _BUCKET),
    "InvalidBucketName": (BucketNotFound, _BUCKET),
    "AccessDenied": (StorageForbidden, RIGHTS),
    # A proxy that rewrites paths breaks the signature of some keys only.
    "SignatureDoesNotMatch": (StorageForbidden, _SIGNATURE),
    "InvalidAccessKeyId": (BucketForbidden, _KEY),
    "ExpiredToken": (BucketForbidden, _RENEW),
    "InvalidToken": (BucketForbidden, _ISSUED),
    "TokenRefreshRequired": (BucketForbidden, _RENEW),
    "SecurityTokenExpired": (BucketForbidden, _RENEW),
    "InvalidSecurityToken": (BucketForbidden, _ISSUED),
    "InvalidEncryptionAlgorithmError": (StorageForbidden, _SSE),
    "ServerSideEncryptionConfigurationNotFoundError": (StorageForbidden, _SSE),
    "RequestTimeTooSkewed": (ClockSkewed, _CLOCK),
    "RequestExpired": (ClockSkewed, _CLOCK),
    "SecondLevelDomainForbidden": (BucketForbidden, _STYLE),
    "PathStyleDomainForbidden": (BucketForbidden, _STYLE),
    "InvalidPathAccess": (BucketForbidden, _STYLE),
    "VirtualHostDomainRequired": (BucketForbidden, _STYLE),
    "AccountProblem": (BucketForbidden, _ACCOUNT),
    "AllAccessDisabled": (BucketForbidden, _ACCOUNT),
    "NotSignedUp": (BucketForbidden, _ACCOUNT),
    "UserDisable": (BucketForbidden, _ACCOUNT),
    "PermanentRedirect": (BucketUnusable, _REGION),
    "AuthorizationHeaderMalformed": (BucketUnusable, _REGION),
    "IllegalLocationConstraintException": (BucketUnusable, _REGION),
    "TemporaryRedirect": (StorageUnavailable, _REGION),
    "OperationAborted": (StorageUnavailable, ""),
    "ConditionalRequestConflict": (StorageUnavailable, ""),
    "SlowDown": (StorageUnavailable, ""),
    "RequestTimeout": (StorageUnavailable, ""),
    "Throttling": (StorageUnavailable, ""),
    "TooManyRequests": (StorageUnavailable, ""),
    "KMS.ThrottlingException": (StorageUnavailable, ""),
    "KMS.InternalException": (StorageUnavailable, ""),
}
# Codes that say too little; the words of their messages that say more.
_BY_MESSAGE: Mapping[str, tuple[type[StorageError], str]] = {
    "aws4-hmac-sha256": (BucketForbidden, _V4),
    "aws-chunked": (BucketUnusable, _CHUNKED),
    "streaming-unsigned-payload": (BucketUnusable, _CHUNKED),
}
_BY_STATUS: Mapping[int, tuple[type[StorageError], str]] = {
    401: (StorageForbidden, RIGHTS),
    403: (StorageForbidden, RIGHTS),
    404: (ObjectNotFound, ""),
    408: (StorageUnavailable, ""),
    409: (ObjectChanged, ""),
    412: (ObjectChanged, ""),
    429: (StorageUnavailable, ""),
}
_UNREADABLE_BUNDLE = ("No such file", "Permission denied", "NO_CERTIFICATE_OR_CRL_FOUND", "PEM")
_FORBIDDEN = {401, 403}
_FIRST_SERVER_ERROR = 500
_OF_THE_FORM = {400, 405, 411, 501}


@contextmanager
def map_botocore_errors(bucket: str, key: str) -> Iterator[None]:
    """Turn botocore's errors into the project's; "forbidden" is never "absent"."""
    place = f"s3://{bucket}/{key}"
    try:
        yield
    except ClientError as error:
        raise _client_error(error.response, place) from error
    except ProxyConnectionError as error:
        raise StorageUnavailable(f"{place}: {error}", remedy=PROXY) from error
    except (HTTPClientError, HTTPError, TimeoutError, ConnectionError) as error:
        raise StorageUnavailable(f"{place}: {error}") from error
    except BotoCoreError as error:
        raise _botocore_error(error, place) from error
    except ValueError as error:  # botocore, of a time or number that is none
        raise InvalidResponse(f"{place}: {error}", remedy=_IN_FRONT) from error


def error_of_code(code: str, place: str) -> StorageError:
    """The error of an S3 code that came without an HTTP status of its own."""
    kind, remedy = _of_code(code) or (StorageUnavailable, "")
    return kind(f"{place}: {code}", remedy=remedy)


def is_refused_form(response: Mapping[str, Any]) -> bool:
    """Whether the server does not take a request of this kind, or not with these headers."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status in _OF_THE_FORM and _of_code(response.get("Error", {}).get("Code", "")) is None


def _client_error(response: Mapping[str, Any], place: str) -> StorageError:
    metadata, error = response.get("ResponseMetadata", {}), response.get("Error", {})
    status, code = metadata.get("HTTPStatusCode", 0), error.get("Code", "")
    what = f"{place}: {code} (HTTP {status})"
    if (known := _of_code(code) or _of_message(error.get("Message", ""))) is not None:
        kind, remedy = known
        if kind is BucketUnusable and (region := _region(response)):
            remedy = f"{remedy}: the bucket is in {region}"
        return kind(what, remedy=remedy)
    if not _is_of_s3(metadata, code) and status not in _FORBIDDEN:
        return InvalidResponse(what, remedy=_IN_FRONT)
    if status >= _FIRST_SERVER_ERROR:
        return StorageUnavailable(what)
    kind, remedy = _BY_STATUS.get(status, (StorageError, ""))
    return kind(what, remedy=remedy)


def _of_code(code: str) -> tuple[type[StorageError], str] | None:
    if code in _BY_CODE:
        return _BY_CODE[code]
    return (StorageForbidden, _KMS) if code.startswith("KMS.") else None


def _of_message(message: str) -> tuple[type[StorageError], str] | None:
    lowered = message.lower()
    return next((known for words, known in _BY_MESSAGE.items() if words in lowered), None)


def _is_of_s3(metadata: Mapping[str, Any], code: str) -> bool:
    """Whether a response has S3's code, or no body that could have one, as those to HEAD.

    botocore puts the status where there is no code.
    """
    if code and not code.isdigit():
        return True
    headers = metadata.get("HTTPHeaders", {})
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    redirected = 300 <= metadata.get("HTTPStatusCode", 0) < 400  # noqa: PLR2004 - HTTP's redirects
    return not has_body and not redirected


def _region(response: Mapping[str, Any]) -> str | None:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region: str | None = response["Error"].get("Region") or headers.get("x-amz-bucket-region")
    return region


def _botocore_error(error: BotoCoreError, place: str) -> StorageError:
    name = type(error).__name__
    if "Credentials" in name:
        remedy = (
            "set MODERATION_S3_ACCESS_KEY and MODERATION_S3_SECRET_KEY, or give this machine a "
            "role (MODERATION_S3_CREDENTIALS=chain)"
        )
        return BucketForbidden(f"{place}: {error}", remedy=remedy)
    if name == "SSLError":
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return BucketUnusable(f"{place}: {error}", remedy=UNKNOWN_AUTHORITY)
        if any(words in str(error) for words in _UNREADABLE_BUNDLE):
            return BucketUnusable(f"{place}: {error}", remedy=BUNDLE)
        return StorageUnavailable(f"{place}: {error}")  # a handshake that broke off
    if name.endswith("ParserError"):  # HTML, or XML that was cut
        return InvalidResponse(f"{place}: {error}", remedy=_IN_FRONT)
    # Broken or short streams: IncompleteReadError, ResponseStreamingError and their like.
    transient = name.endswith(("StreamingError", "ReadError", "ChecksumError", "ConnectionError"))
    return (StorageUnavailable if transient else StorageError)(f"{place}: {error}")
