"""DeleteObjects in the form that the server accepts, else single deletes."""

import base64
import hashlib
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

import structlog
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from ml.storage.s3_errors import error_of_code, is_refused_form, map_botocore_errors
from ml.storage.s3_responses import not_s3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CHECKSUMS = ("x-amz-checksum-", "x-amz-sdk-checksum-")

log = structlog.get_logger()


class _Form(IntEnum):
    """How objects are deleted; the next one where the server refuses this one."""

    CHECKSUM = 0  # boto3's CRC32, as AWS has it since 2025
    MD5 = 1  # as Aliyun OSS, Tencent COS, and older servers demand it
    SINGLE = 2


class BulkDelete:
    """Deletes of one bucket; thread-safe. What the server refused is not tried again."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client, self._bucket = client, bucket
        self._form = _Form.CHECKSUM
        client.meta.events.register("before-sign.s3.DeleteObjects", self._put_md5)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, at most a thousand; missing ones are fine. An error may leave some.

        Raises:
            StorageForbidden, StorageUnavailable: of the first object that was refused.
        """
        form = self._form
        while form is not _Form.SINGLE:
            if self._is_accepted(keys, form):
                return
            form = self._form
        for key in keys:
            self.delete_one(key)

    def delete_one(self, key: str) -> None:
        """Remove an object; absent is fine."""
        with map_botocore_errors(self._bucket, key):
            answer = self._client.delete_object(Bucket=self._bucket, Key=key)
        if "html" in answer["ResponseMetadata"]["HTTPHeaders"].get("content-type", ""):
            raise not_s3(self._place(key), "a page: nothing was deleted")

    def _is_accepted(self, keys: Sequence[str], form: _Form) -> bool:
        with map_botocore_errors(self._bucket, keys[0]):
            try:
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": k} for k in keys]}
                )
            except ClientError as error:
                if not is_refused_form(error.response):
                    raise
                self._form = max(self._form, _Form(form + 1))
                code = error.response.get("Error", {}).get("Code", "")
                log.info("delete request refused", bucket=self._bucket, form=form.name, code=code)
                return False
        for refused in answer.get("Errors", []):
            raise error_of_code(refused.get("Code", ""), self._place(refused.get("Key", "")))
        if len(answer.get("Deleted", [])) < len(keys):
            raise not_s3(self._place(keys[0]), "it does not name what it deleted")
        return True

    def _put_md5(self, request: AWSRequest, **_: object) -> None:
        """Name the body's MD5 in place of boto3's checksum. Two stores may share a client."""
        bucket = request.context.get("s3_redirect", {}).get("bucket")
        if self._form is not _Form.MD5 or bucket != self._bucket:
            return
        for name in [n for n in request.headers if n.lower().startswith(_CHECKSUMS)]:
            del request.headers[name]
        digest = hashlib.md5(_bytes(request.body), usedforsecurity=False).digest()
        del request.headers["Content-MD5"]  # absent is fine; a header of the same name would add
        request.headers["Content-MD5"] = base64.b64encode(digest).decode()

    def _place(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body
