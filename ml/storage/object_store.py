"""Object storage: S3 calls with typed errors and one layer of capped, jittered retries."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import stamina

from ml.core.concurrency import batched
from ml.core.errors import (
    BucketNotFound,
    ClockSkewed,
    InvalidResponse,
    ModelHashMismatch,
    StorageError,
    StorageUnavailable,
)
from ml.storage.bulk_delete import BulkDelete
from ml.storage.fast_read import FastReader
from ml.storage.s3_errors import map_botocore_errors
from ml.storage.s3_responses import (
    ExpectedObject,
    ListedObject,
    listed_object,
    listed_page,
    not_s3,
    read_object,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MODELS_PREFIX = "models/"  # of the model bucket; the part of it that each nightly run reads
RETRY_ATTEMPTS = 5
CLOCK_ATTEMPTS = 3  # a clock that is just being set; one that is wrong stays so
MAX_EMPTY_PAGES = 100  # in a row, before a listing is taken to have no end
_KEYS_A_REQUEST = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html

P = ParamSpec("P")
T = TypeVar("T")


def _retried(call: Callable[P, T]) -> Callable[P, T]:
    """Retry transient errors, and a wrong clock a few times."""
    of_clock = stamina.retry(on=ClockSkewed, attempts=CLOCK_ATTEMPTS, timeout=45.0)
    of_outage = stamina.retry(on=StorageUnavailable, attempts=RETRY_ATTEMPTS, timeout=45.0)
    return of_outage(of_clock(call))


class ObjectStore:
    """One bucket; the threads of a process may share the client."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.bucket = bucket
        self._client = client
        self._reader = FastReader(client, bucket)
        self._bulk_delete = BulkDelete(client, bucket)

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._client.close()

    @property
    def endpoint_url(self) -> str:
        """Address of the server."""
        return self._client.meta.endpoint_url

    def check(self, prefix: str) -> None:
        """Raise if the bucket does not answer, or something else does in its place.

        Lists under the prefix: the rights to a bucket may end at one, so that its root is refused.
        """
        with map_botocore_errors(self.bucket, prefix):
            answer = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1)
        if "IsTruncated" not in answer:
            raise not_s3(self._place(prefix), "no IsTruncated")

    def create(self, prefix: str = "") -> None:
        """Create the bucket if `check` of the prefix finds none; needs the right only then."""
        try:
            self.check(prefix)
        except BucketNotFound:
            errors = self._client.exceptions
            existing = suppress(errors.BucketAlreadyExists, errors.BucketAlreadyOwnedByYou)
            with map_botocore_errors(self.bucket, ""), existing:
                self._client.create_bucket(Bucket=self.bucket)

    def list_pages(self, prefix: str) -> Iterator[list[ListedObject]]:
        """Yield the objects under a prefix, a page (at most 1,000) at a time, in S3's key order.

        A page names a key once; a server that repeats one on a later page is not corrected.

        Raises:
            InvalidResponse: not S3's response, or a listing without an end.
        """
        token: str | None = None
        tokens: set[str] = set()
        empty = 0
        while True:
            page, token = self._list_page(prefix, token)
            yield page
            if token is None:
                return
            empty = 0 if page else empty + 1
            if token in tokens or empty == MAX_EMPTY_PAGES:
                raise not_s3(self._place(prefix), "the listing has no end")
            tokens.add(token)

    @_retried
    def _list_page(self, prefix: str, token: str | None) -> tuple[list[ListedObject], str | None]:
        more = {"ContinuationToken": token} if token else {}
        with map_botocore_errors(self.bucket, prefix):
            answer = self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)  # type: ignore[arg-type]  # the stubs want literal keywords
        return listed_page(answer, prefix=prefix, token=token, place=self._place(prefix))

    @_retried
    def get(
        self,
        key: str,
        *,
        etag: str | None = None,
        size_bytes: int | None = None,
        max_bytes: int | None = None,
    ) -> bytes:
        """The bytes of an object: of the content `etag`, or (None) whatever is there.

        Compared with `size_bytes`, the length that was listed, and with an ETag that is an MD5.
        Reads no more than one byte over `max_bytes`, so that the caller sees it is too long.
        By obstore where that works, else by boto3: `ml/storage/fast_read.py`.

        Raises:
            ObjectNotFound, ObjectChanged, ObjectArchived: this object, at once.
            StorageForbidden, BucketUnusable: as they say, at once.
            StorageUnavailable: after the retries; `InvalidResponse` if other bytes came.
        """
        expected = ExpectedObject(etag, size_bytes, max_bytes)
        return self._reader.read(key, expected, self._read_by_boto3)

    def _read_by_boto3(self, key: str, expected: ExpectedObject) -> bytes:
        condition = {"IfMatch": f'"{expected.etag}"'} if expected.etag else {}
        with map_botocore_errors(self.bucket, key):
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **condition)  # type: ignore[arg-type]  # as above
            return read_object(answer, expected, place=self._place(key))

    def get_hashed(self, key: str, sha256: str) -> bytes:
        """The bytes of an object; ModelHashMismatch if they do not have the hash."""
        data = self.get(key)
        actual = hashlib.sha256(data).hexdigest()
        if actual != sha256:
            raise ModelHashMismatch(f"{key} in the model bucket hashes to {actual}")
        return data

    @_retried
    def head(self, key: str) -> ListedObject:
        """What a listing would show of one object; raises as `get`."""
        try:
            with map_botocore_errors(self.bucket, key):
                found = self._client.head_object(Bucket=self.bucket, Key=key)
        except StorageError as error:
            self._raise_named(key)
            message = f"{self._place(key)}: GET succeeds where HEAD fails: {error}"
            raise InvalidResponse(message) from error
        return listed_object(key, found, size="ContentLength", place=self._place(key))

    def _raise_named(self, key: str) -> None:
        """Raise the error of a GET: the response to a HEAD has no body, so no error code."""
        with map_botocore_errors(self.bucket, key):
            self._client.get_object(Bucket=self.bucket, Key=key)["Body"].close()

    @_retried
    def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Store bytes under a key, over whatever was there."""
        with map_botocore_errors(self.bucket, key):
            answer = self._client.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType=content_type
            )
        if not answer.get("ETag"):
            raise not_s3(self._place(key), "no ETag: nothing was stored")

    @_retried
    def delete(self, key: str) -> None:
        """Remove an object; absent is fine."""
        self._bulk_delete.delete_one(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, a thousand a request; missing ones are fine. An error may leave some.

        Raises:
            StorageForbidden, StorageUnavailable: of the first object that was refused.
        """
        for part in batched(keys, _KEYS_A_REQUEST):
            self._delete_part(part)

    @_retried
    def _delete_part(self, keys: Sequence[str]) -> None:
        self._bulk_delete.delete(keys)

    def _place(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"
