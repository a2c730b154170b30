"""Object storage: S3 calls with typed errors and one layer of capped, jittered retries."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import boto3
import stamina
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from ml.core.concurrency import batched
from ml.core.errors import (
    ModelHashMismatch,
    ObjectChanged,
    ObjectNotFound,
    StorageError,
    StorageForbidden,
    StorageUnavailable,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
RETRY_ATTEMPTS = 5
_retried = stamina.retry(on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=45.0)

_ERROR_OF_STATUS = {404: ObjectNotFound, 409: ObjectChanged, 412: ObjectChanged}
_FORBIDDEN = {401, 403}
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
    """One bucket; the threads of a process may share the client."""

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
        """Raise if the bucket does not answer."""
        with map_botocore_errors(self.bucket, ""):
            self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)

    def create(self) -> None:
        """Create the bucket if it is not there; needs the right to do so only then."""
        try:
            self.check()
        except ObjectNotFound:
            errors = self._client.exceptions
            existing = suppress(errors.BucketAlreadyExists, errors.BucketAlreadyOwnedByYou)
            with map_botocore_errors(self.bucket, ""), existing:
                self._client.create_bucket(Bucket=self.bucket)

    def list_pages(self, prefix: str) -> Iterator[list[ListedObject]]:
        """Yield the objects under a prefix in key order, a page (at most 1,000) at a time."""
        token: str | None = None
        while True:
            page, token = self._list_page(prefix, token)
            yield page
            if token is None:
                return

    @_retried
    def _list_page(self, prefix: str, token: str | None) -> tuple[list[ListedObject], str | None]:
        more = {"ContinuationToken": token} if token else {}
        with map_botocore_errors(self.bucket, prefix):
            answer = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)  # type: ignore[arg-type]  # the stubs want literal keywords
        found = [
            ListedObject(o["Key"], o["ETag"].strip('"'), o["Size"], o["LastModified"])
            for o in answer.get("Contents", [])
        ]
        return found, answer.get("NextContinuationToken") if answer["IsTruncated"] else None

    @_retried
    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:
        """The bytes of an object: of the content `etag`, or (None) whatever is there.

        Reads no more than one byte over `max_bytes`, so that the caller sees it is too long.

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
                limit = sys.maxsize if max_bytes is None else max_bytes + 1
                wanted = min(answer["ContentLength"], limit)
                data = body.read(wanted)
        # botocore only notices a cut body when it reads to the end.
        if len(data) < wanted:
            raise StorageUnavailable(f"s3://{self.bucket}/{key} was cut after {len(data)} bytes")
        return data

    def get_hashed(self, key: str, sha256: str) -> bytes:
        """The bytes of an object.

        Raises:
            ModelHashMismatch: they do not have the hash.
        """
        data = self.get(key)
        actual = hashlib.sha256(data).hexdigest()
        if actual != sha256:
            raise ModelHashMismatch(f"{key} in the model bucket hashes to {actual}")
        return data

    @_retried
    def head(self, key: str) -> ListedObject:
        """What a listing would show of one object; raises as `get`."""
        with map_botocore_errors(self.bucket, key):
            found = self._client.head_object(Bucket=self.bucket, Key=key)
        etag, modified = found["ETag"].strip('"'), found["LastModified"]
        return ListedObject(key, etag, found["ContentLength"], modified)

    @_retried
    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Store bytes under a key, over whatever was there."""
        with map_botocore_errors(self.bucket, key):
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType=content_type
            )

    @_retried
    def delete(self, key: str) -> None:
        """Remove an object; absent is fine."""
        with map_botocore_errors(self.bucket, key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, a thousand a request; missing ones are fine. An error may leave some.

        Raises:
            StorageForbidden, StorageUnavailable: of the first object that was refused.
        """
        for part in batched(keys, _KEYS_A_REQUEST):
            self._delete_part(part)

    @_retried
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


@contextmanager
def map_botocore_errors(bucket: str, key: str) -> Iterator[None]:
    """Turn botocore's errors into the project's; "forbidden" is never "absent"."""
    place = f"s3://{bucket}/{key}"
    try:
        yield
    except ClientError as error:
        raise _client_error(error, place) from error
    except (HTTPClientError, HTTPError, TimeoutError, ConnectionError) as error:
        raise StorageUnavailable(f"{place}: {error}") from error
    except BotoCoreError as error:
        raise _botocore_error(error, place) from error


def _client_error(error: ClientError, place: str) -> StorageError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    message = f"{place}: {code} (HTTP {status})"
    if status in _FORBIDDEN:
        return StorageForbidden(f"{message}; check the access key and its rights")
    if status in _ERROR_OF_STATUS:
        return _ERROR_OF_STATUS[status](message)
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
    return (StorageUnavailable if transient else StorageError)(f"{place}: {error}")
