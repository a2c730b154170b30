"""Responses of S3, checked: nothing incomplete, and no other bytes than those that were listed."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.response import StreamingBody

from ml.core.errors import InvalidResponse, ObjectChanged

_MD5 = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_SSE, _SSE_C = "x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm"


@dataclass(frozen=True)
class ListedObject:
    """One object as a listing shows it; `etag` is the opaque part, without quotes."""

    key: str
    etag: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class ExpectedObject:
    """What a GET must return, where given; at most one byte more than `max_bytes`."""

    etag: str | None = None
    size_bytes: int | None = None
    max_bytes: int | None = None


def opaque_etag(etag: str) -> str:
    """The part of an ETag that names the content, of a strong `"abc"` or a weak `W/"abc"`."""
    return etag.removeprefix("W/").strip('"')


def listed_object(key: str, fields: Mapping[str, Any], *, size: str, place: str) -> ListedObject:
    """An object of a listing or a HEAD; `size` is the name of its length there.

    Raises:
        InvalidResponse: a field is missing.
    """
    etag, size_bytes = fields.get("ETag"), fields.get(size)
    modified_at = fields.get("LastModified")
    if not key or not etag or size_bytes is None or modified_at is None:
        raise not_s3(place, f"no key, ETag, {size} or LastModified")
    return ListedObject(key, opaque_etag(etag), size_bytes, modified_at)


def listed_page(
    answer: Mapping[str, Any], *, prefix: str, token: str | None, place: str
) -> tuple[list[ListedObject], str | None]:
    """The objects of a page, each key once, and the token of the next page; None for the last.

    Raises:
        InvalidResponse: it is no listing of the prefix, or names itself as the next page.
    """
    if "IsTruncated" not in answer:
        raise not_s3(place, "no IsTruncated")
    found = {
        fields.get("Key", ""): listed_object(
            fields.get("Key", ""), fields, size="Size", place=place
        )
        for fields in answer.get("Contents", [])
    }
    if strange := next((key for key in found if not key.startswith(prefix)), None):
        raise not_s3(place, f"the key {strange} is not under the prefix")
    more = answer.get("NextContinuationToken") if answer["IsTruncated"] else None
    if answer["IsTruncated"] and more in (None, "", token):
        raise not_s3(place, "more pages follow, but it does not name the next one")
    return list(found.values()), more


def read_object(answer: Mapping[str, Any], expected: ExpectedObject, *, place: str) -> bytes:
    """The bytes of a GET, at most one more than `max_bytes`; of `etag` and `size_bytes`, if given.

    Raises:
        ObjectChanged: the object has another ETag.
        InvalidResponse: not S3's response, or other bytes than the ETag and the length say.
    """
    etag, size_bytes = expected.etag, expected.size_bytes
    with answer["Body"] as body:
        found = opaque_etag(answer.get("ETag") or "")
        if not found:
            raise not_s3(place, "no ETag")
        # Not every S3 honours If-Match on reads.
        if etag and found != etag:
            raise ObjectChanged(f"{place} is no longer {etag}")
        length = answer.get("ContentLength", size_bytes)
        if size_bytes is not None and length != size_bytes:
            raise _other_bytes(place, f"{length:,} bytes, of the {size_bytes:,} listed")
        data, is_whole = _read(body, length, expected.max_bytes, place)
    if is_whole and _may_have_md5(answer) and is_other_md5(found, data):
        raise _other_bytes(place, f"bytes with the MD5 {_md5(data)} under the ETag {found}")
    return data


def _read(
    body: StreamingBody, length: int | None, max_bytes: int | None, place: str
) -> tuple[bytes, bool]:
    """The bytes, and whether they are all; one more than the length is tried, to see it end."""
    ends = [end for end in (length, max_bytes) if end is not None]
    data = body.read(min(ends) + 1) if ends else body.read()
    if length is None:
        return data, max_bytes is None or len(data) <= max_bytes
    expected = length if max_bytes is None else min(length, max_bytes + 1)
    # botocore only notices a cut body when it reads to the end.
    if len(data) != expected:
        raise _other_bytes(place, f"{len(data):,} bytes, of {length:,}")
    return data, len(data) == length


def is_other_md5(etag: str, data: bytes) -> bool:
    """Whether the ETag is an MD5, and not that of the bytes; of a multipart upload (`-N`) not."""
    return _MD5.fullmatch(etag) is not None and _md5(data) != etag.lower()


def _may_have_md5(answer: Mapping[str, Any]) -> bool:
    """Whether an ETag that looks like an MD5 is that of the bytes.

    Those of objects encrypted with a KMS key or the customer's, of directory buckets, and of
    Alibaba's appendable objects are not.
    """
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return (
        not headers.get(_SSE, "").startswith("aws:kms")
        and _SSE_C not in headers
        and headers.get("x-amz-storage-class") != "EXPRESS_ONEZONE"
        and headers.get("x-oss-object-type", "Normal") == "Normal"
    )


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def not_s3(place: str, what: str) -> InvalidResponse:
    """The error of a response that is not S3's."""
    remedy = "check MODERATION_S3_ENDPOINT_URL and the proxies before it"
    return InvalidResponse(f"{place}: not S3's response ({what})", remedy=remedy)


def _other_bytes(place: str, what: str) -> InvalidResponse:
    return InvalidResponse(f"{place}: the bucket, or a proxy before it, returned {what}")
