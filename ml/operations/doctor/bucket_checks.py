"""Checks of the object storage: credentials, and each right that a bucket needs to give.

Where a bucket refuses, the settings that are often at fault are tried: the one that works is named.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from socket import getaddrinfo
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies

from ml.core.errors import (
    BucketNotFound,
    BucketUnusable,
    ClockSkewed,
    InvalidResponse,
    ObjectArchived,
    SettingsError,
    StorageError,
    StorageForbidden,
    StorageUnavailable,
)
from ml.core.s3_settings import S3Settings
from ml.operations.doctor.check import Deployment, Finding, failed, ok, warned
from ml.storage.object_store import MODELS_PREFIX, ObjectStore
from ml.storage.s3_client import s3_client
from ml.storage.s3_credentials import find_credentials
from ml.storage.s3_errors import RIGHTS
from ml.storage.s3_responses import ListedObject

START_STORAGE = "start the object storage, or fix MODERATION_S3_ENDPOINT_URL"
SAMPLED_PHOTOS = 10  # the first ones of the prefix, until one is not archived
_TEMPORARY = ("ASIA", "STS.")  # how AWS and Aliyun begin the names of temporary keys
_ACTIONS = {
    "list": "s3:ListBucket",
    "get": "s3:GetObject",
    "put": "s3:PutObject",
    "delete": "s3:DeleteObject",
}


@dataclass(frozen=True)
class _Place:
    """What is checked: a bucket, under a prefix, of a setting."""

    store: ObjectStore
    prefix: str
    setting: str


def check_credentials(deployment: Deployment) -> Finding:
    """Find the keys that requests are signed with; a role's are asked for."""
    settings = deployment.settings
    if not settings.has_static_credentials:
        try:
            return ok(f"of boto3's chain: {find_credentials().method}")
        except StorageError as error:
            return failed(f"{type(error).__name__}: {error.cause}", remedy=error.remedy)
    key = settings.s3_access_key.get_secret_value() if settings.s3_access_key else ""
    if settings.s3_session_token is None and key.startswith(_TEMPORARY):
        return failed(
            f"MODERATION_S3_ACCESS_KEY is a temporary key ({key[:4]}...) without its token",
            remedy="set MODERATION_S3_SESSION_TOKEN to the token that was issued with it",
        )
    temporary = " (temporary: they are not renewed)" if settings.s3_session_token else ""
    return ok(f"keys of the settings{temporary}")


def check_photo_bucket(deployment: Deployment) -> Finding:
    """List the photos' prefix and read one of them."""
    prefix = deployment.settings.fixed_photo_prefix
    store = deployment.connections.photos
    place = _Place(store, prefix, "MODERATION_PHOTO_BUCKET")
    photos: list[ListedObject] = []

    def list_photos() -> None:
        store.check(prefix)
        photos.extend(next(store.list_pages(prefix), [])[:SAMPLED_PHOTOS])

    if finding := _try(deployment, place, [("list", list_photos)]):
        return finding
    if not photos:
        return ok(f"{store.bucket}: lists; no photo under {prefix} to read yet")
    return _read_one(deployment, place, photos)


def _read_one(deployment: Deployment, place: _Place, photos: Sequence[ListedObject]) -> Finding:
    """Read the first photo that is not archived."""
    bucket = place.store.bucket
    remedy = "restore them: a nightly run quarantines archived photos (object_archived)"
    for archived, photo in enumerate(photos):
        try:
            place.store.get(photo.key, max_bytes=1)
        except ObjectArchived:
            continue
        except StorageError as error:
            return _explain(error, deployment, place, "get")
        reads = f"{bucket}: lists and reads under {place.prefix}"
        if archived:
            return warned(f"{reads}; the first {archived} photos are archived", remedy=remedy)
        return ok(reads)
    return failed(f"{bucket}: the first {len(photos)} photos are archived", remedy=remedy)


def check_model_bucket(deployment: Deployment) -> Finding:
    """List; put, get and delete a small object."""
    store = deployment.connections.models
    key, data = f"doctor/{uuid.uuid4()}", b"written by the doctor"
    found: list[bytes] = []
    steps: list[tuple[str, Callable[[], None]]] = [
        ("list", lambda: store.check(MODELS_PREFIX)),
        ("put", lambda: store.put(key, data)),
        ("get", lambda: found.append(store.get(key))),
        ("delete", lambda: store.delete(key)),
    ]
    if finding := _try(deployment, _Place(store, key, "MODERATION_MODEL_BUCKET"), steps):
        with suppress(StorageError):
            store.delete(key)
        return finding
    if found != [data]:
        remedy = "repair the object storage itself: it must not be used as it is"
        return failed(f"{store.bucket} returned other bytes than were put", remedy=remedy)
    return ok(f"{store.bucket}: lists, puts, gets and deletes")


def _try(
    deployment: Deployment, place: _Place, steps: Sequence[tuple[str, Callable[[], None]]]
) -> Finding | None:
    """The finding of the first step that fails."""
    for action, step in steps:
        try:
            step()
        except StorageError as error:
            return _explain(error, deployment, place, action)
    return None


def _explain(error: StorageError, deployment: Deployment, place: _Place, action: str) -> Finding:
    remedy = (
        _remedy_of_address(error, deployment.settings, place, action)
        or _remedy_of_encryption(error, deployment.settings, place, action)
        or _remedy_of_error(error, place, action)
    )
    return failed(f"{action}: {type(error).__name__}: {error.cause}", remedy=remedy)


def _remedy_of_error(error: StorageError, place: _Place, action: str) -> str:
    bucket = place.store.bucket
    if isinstance(error, BucketNotFound):
        return f"create the bucket {bucket}, or name the right one in {place.setting}"
    if isinstance(error, StorageForbidden) and error.remedy in ("", RIGHTS):
        return f"let the credentials {action}: {_ACTIONS[action]} on {bucket}/{place.prefix}"
    return error.remedy or START_STORAGE


def _remedy_of_address(
    error: StorageError, settings: S3Settings, place: _Place, action: str
) -> str | None:
    """Try the other values of addressing and signature; a right of its own does not need that."""
    if action != "list" or isinstance(error, ClockSkewed):
        return None
    unresolved = _unresolved_host(settings, place.store.bucket)
    refused = isinstance(error, StorageForbidden | BucketUnusable | InvalidResponse)
    if not refused and unresolved is None:
        return None
    for name, other in _other_addresses(settings):
        if _succeeds(other, place.store.bucket, lambda store: store.check(place.prefix)):
            return f"set {name}={getattr(other, name.removeprefix('MODERATION_').lower())}"
    if unresolved is None:
        return None
    return (
        f"no DNS server knows {unresolved}: set MODERATION_S3_ADDRESSING=path, or let the DNS name "
        "each bucket"
    )


def _other_addresses(settings: S3Settings) -> Iterator[tuple[str, S3Settings]]:
    style = "path" if settings.bucket_addressing == "virtual" else "virtual"
    signature = "v2" if settings.s3_signature == "v4" else "v4"
    for field, value in (("s3_addressing", style), ("s3_signature", signature)):
        with suppress(ValueError):  # which that store cannot have
            yield f"MODERATION_{field.upper()}", _changed(settings, **{field: value})


def _unresolved_host(settings: S3Settings, bucket: str) -> str | None:
    """The host of the bucket's name if the endpoint's own has an address, and this has none."""
    url = settings.s3_endpoint_url
    if url is None or settings.bucket_addressing == "path" or get_environ_proxies(url):
        return None
    address = urlsplit(url)
    host = f"{bucket}.{address.hostname}"
    return host if _has_address(address.hostname or "") and not _has_address(host) else None


def _has_address(host: str) -> bool:
    try:
        return bool(getaddrinfo(host, None))
    except OSError:
        return False


def _remedy_of_encryption(
    error: StorageError, settings: S3Settings, place: _Place, action: str
) -> str | None:
    """Put the object with the other encryption, whether that is what was refused."""
    if action != "put" or isinstance(error, StorageUnavailable):
        return None
    configured = settings.s3_sse
    other = "AES256" if configured == "none" else "none"
    changed = _changed(settings, s3_sse=other, s3_sse_key_id=None)
    if not _succeeds(changed, place.store.bucket, lambda store: _put_and_delete(store, place)):
        return None
    if configured == "none":
        return "the bucket takes encrypted objects alone: set MODERATION_S3_SSE=AES256 or aws:kms"
    if configured == "AES256":
        return "the store refuses this encryption: set MODERATION_S3_SSE=none, or aws:kms"
    if settings.s3_sse_key_id is None:
        return "the store has no default key: name one in MODERATION_S3_SSE_KEY_ID"
    return (
        "check MODERATION_S3_SSE_KEY_ID, enable the key, and let the credentials use it "
        "(kms:GenerateDataKey, kms:Decrypt)"
    )


def _put_and_delete(store: ObjectStore, place: _Place) -> None:
    store.put(place.prefix, b"written by the doctor")
    with suppress(StorageError):
        store.delete(place.prefix)


def _succeeds(settings: S3Settings, bucket: str, ask: Callable[[ObjectStore], None]) -> bool:
    try:
        with closing(ObjectStore(s3_client(settings), bucket)) as store:
            ask(store)
    except (StorageError, SettingsError, ValueError):
        return False
    return True


def _changed(settings: S3Settings, **values: object) -> S3Settings:
    known = settings.model_dump(include=set(S3Settings.model_fields))
    return S3Settings.model_validate(known | values)
