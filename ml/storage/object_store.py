"""Object storage: S3 calls with typed errors and one layer of capped, jittered retries."""

import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import boto3
import stamina
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from ml.core.errors import (
    ObjectChanged,
    ObjectNotFound,
    StorageError,
    StorageForbidden,
    StorageUnavailable,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RETRY_ATTEMPTS = 5
RETRY_SECONDS = 45.0
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20

_FORBIDDEN = {401, 403}
_ABSENT = {404}
_CHANGED = {409, 412}
_FIRST_SERVER_ERROR = 500
_KEYS_A_REQUEST = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
_TRANSIENT_CODES = {"SlowDown", "RequestTimeout", "Throttling", "TooManyRequests", "429", "408"}


@dataclass(frozen=True)
class ListedObject:
    """One object as a listing shows it; `etag` without its quotes."""

    key: str
    etag: str
    size_bytes: int
    modified_at: datetime


class ObjectStore:
    """One bucket.

    Args:
        client: a boto3 client from `s3_client`; shared by the threads of a process.
        bucket: its name.
    """

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.bucket = bucket
        self._client = client

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    @property
    def endpoint_url(self) -> str:
        """Address of the server."""
        return self._client.meta.endpoint_url

    def check(self) -> None:
        """Raise if the bucket does not answer; see `map_botocore_errors` for the errors."""
        with map_botocore_errors(self.bucket, ""):
            self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)

    def create(self) -> None:
        """Create the bucket if it is not there; needs the right to do so only then."""
        try:
            self.check()
        except ObjectNotFound:
            self._create()

    def _create(self) -> None:
        with map_botocore_errors(self.bucket, ""):
            try:
                self._client.create_bucket(Bucket=self.bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] not in (
                    "BucketAlreadyOwnedByYou",
                    "BucketAlreadyExists",
                ):
                    raise

    def list_pages(self, prefix: str) -> Iterator[list[ListedObject]]:
        """Yield the objects under a prefix in key order, a page (at most 1,000) at a time."""
        token: str | None = None
        while True:
            page, token = self._list_page(prefix, token)
            yield page
            if token is None:
                return

    @stamina.retry(on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=RETRY_SECONDS)
    def _list_page(self, prefix: str, token: str | None) -> tuple[list[ListedObject], str | None]:
        more = {"ContinuationToken": token} if token else {}
        with map_botocore_errors(self.bucket, prefix):
            answer = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)  # type: ignore[arg-type]  # the stubs want literal keywords
        found = [
            ListedObject(o["Key"], o["ETag"].strip('"'), o["Size"], o["LastModified"])
            for o in answer.get("Contents", [])
        ]
        return found, answer.get("NextContinuationToken") if answer["IsTruncated"] else None

    @stamina.retry(on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=RETRY_SECONDS)
    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:
        """The bytes of an object.

        Args:
            key: the object's key.
            etag: the content that is meant; None takes whatever is there.
            max_bytes: read no more than one byte over this, so that the caller sees it is too long.

        Raises:
            ObjectNotFound, ObjectChanged, StorageForbidden: as they say, at once.
            StorageUnavailable: after the retries.
        """
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        with map_botocore_errors(self.bucket, key):
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **condition)  # type: ignore[arg-type]  # as above
            with answer["Body"] as body:
                # Not every S3 honours If-Match on reads.
                if etag and answer["ETag"].strip('"') != etag:
                    raise ObjectChanged(f"s3://{self.bucket}/{key} is no longer {etag}")
                wanted = min(answer["ContentLength"], _none_is_all(max_bytes) + 1)
                data = body.read(wanted)
        # botocore only notices a cut body when it reads to the end.
        if len(data) < wanted:
            raise StorageUnavailable(f"s3://{self.bucket}/{key} was cut after {len(data)} bytes")
        return data

    @stamina.retry(on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=RETRY_SECONDS)
    def head(self, key: str) -> ListedObject:
        """What a listing would show of one object.

        Raises:
            ObjectNotFound, StorageForbidden: as they say, at once.
            StorageUnavailable: after the retries.
        """
        with map_botocore_errors(self.bucket, key):
            found = self._client.head_object(Bucket=self.bucket, Key=key)
        etag, modified = found["ETag"].strip('"'), found["LastModified"]
        return ListedObject(key, etag, found["ContentLength"], modified)

    @stamina.retry(on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=RETRY_SECONDS)
    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Store bytes under a key, over whatever was there."""
        with map_botocore_errors(self.bucket, key):
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType=content_type
            )

    @stamina.retry(on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=RETRY_SECONDS)
    def delete(self, key: str) -> None:
        """Remove an object; absent is fine."""
        with map_botocore_errors(self.bucket, key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, a thousand a request; missing ones are fine. An error may leave some.

        Raises:
            StorageForbidden, StorageUnavailable: of the first object that was refused.
        """
        for start in range(0, len(keys), _KEYS_A_REQUEST):
            self._delete_part(keys[start : start + _KEYS_A_REQUEST])

    @stamina.retry(on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=RETRY_SECONDS)
    def _delete_part(self, keys: Sequence[str]) -> None:
        with map_botocore_errors(self.bucket, keys[0]):
            answer = self._client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": k} for k in keys], "Quiet": True}
            )
        for refused in answer.get("Errors", []):
            message = f"s3://{self.bucket}/{refused.get('Key')}: {refused.get('Code')}"
            if refused.get("Code") == "AccessDenied":
                raise StorageForbidden(f"{message}; check the access key and its rights")
            raise StorageUnavailable(message)


def s3_client(
    *, endpoint_url: str | None, access_key: str | None, secret_key: str | None, region: str
) -> "S3Client":
    """A thread-safe client without retries of its own: `ObjectStore` retries whole operations.

    Without keys, boto3's own chain (instance role, profile) is used.
    """
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=region,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": 1},
            max_pool_connections=64,
            # Servers other than AWS reject the checksum trailers that boto3 adds since 1.36.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _none_is_all(max_bytes: int | None) -> int:
    return sys.maxsize if max_bytes is None else max_bytes


class map_botocore_errors:  # noqa: N801 - reads as a verb at its only use, `with _mapped(...)`
    """Turn botocore's errors into the project's; "forbidden" is never "absent"."""

    def __init__(self, bucket: str, key: str) -> None:
        self._place = f"s3://{bucket}/{key}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ClientError):
            raise _client_error(error, self._place) from error
        if isinstance(error, HTTPClientError | HTTPError | socket.timeout | ConnectionError):
            raise StorageUnavailable(f"{self._place}: {error}") from error
        if isinstance(error, BotoCoreError):
            raise _botocore_error(error, self._place) from error


def _client_error(error: ClientError, place: str) -> StorageError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    message = f"{place}: {code} (HTTP {status})"
    if status in _FORBIDDEN:
        return StorageForbidden(f"{message}; check the access key and its rights")
    if status in _ABSENT:
        return ObjectNotFound(message)
    if status in _CHANGED:
        return ObjectChanged(message)
    if status >= _FIRST_SERVER_ERROR or code in _TRANSIENT_CODES:
        return StorageUnavailable(message)
    return StorageError(message)


def _botocore_error(error: BotoCoreError, place: str) -> StorageError:
    name = type(error).__name__
    if "Credentials" in name:
        return StorageForbidden(
            f"{place}: {error}; set MODERATION_S3_ACCESS_KEY and MODERATION_S3_SECRET_KEY"
        )
    # Broken or short streams: IncompleteReadError, ResponseStreamingError and their like.
    transient = name.endswith(("StreamingError", "ReadError", "ChecksumError", "ConnectionError"))
    return (
        StorageUnavailable(f"{place}: {error}") if transient else StorageError(f"{place}: {error}")
    )
