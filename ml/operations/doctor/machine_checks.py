"""Checks of the machine and its object storage: buckets, clocks, disk."""

import shutil
import ssl
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ml.core.errors import BucketNotFound, BucketUnusable, StorageError, StorageForbidden
from ml.operations.doctor.check import Deployment, Finding, failed, ok
from ml.storage.database import current_time, in_transaction
from ml.storage.object_store import MODELS_PREFIX, ObjectStore
from ml.storage.s3_client import ca_bundle

_START_STORAGE = "start the object storage, or fix MODERATION_S3_ENDPOINT_URL"


def check_photo_bucket(deployment: Deployment) -> Finding:
    """List the photos' prefix and read one of them."""
    store = deployment.connections.photos
    prefix = deployment.settings.fixed_photo_prefix
    try:
        store.check(prefix)
        first = next(iter(next(store.list_pages(prefix))), None)
        if first is None:
            return ok(f"{store.bucket}: lists; no photo under {prefix} to read yet")
        store.get(first.key, max_bytes=1)
    except StorageError as error:
        return _failed(error, store, setting="MODERATION_PHOTO_BUCKET", actions="list and get")
    return ok(f"{store.bucket}: lists and reads under {prefix}")


def check_model_bucket(deployment: Deployment) -> Finding:
    """List; put, get and delete a small object."""
    store = deployment.connections.models
    key, data = f"doctor/{uuid.uuid4()}", b"written by the doctor"
    try:
        store.check(MODELS_PREFIX)
        store.put(key, data)
        same = store.get(key) == data
        store.delete(key)
    except StorageError as error:
        actions = "list, get, put and delete"
        return _failed(error, store, setting="MODERATION_MODEL_BUCKET", actions=actions)
    if not same:
        remedy = "repair the object storage itself: it must not be used as it is"
        return failed(f"{store.bucket} returned other bytes than were put", remedy=remedy)
    return ok(f"{store.bucket}: lists, puts, gets and deletes")


def _failed(error: StorageError, store: ObjectStore, *, setting: str, actions: str) -> Finding:
    remedy = _START_STORAGE
    if isinstance(error, BucketNotFound):
        remedy = f"create the bucket {store.bucket}, or name the right one in {setting}"
    elif isinstance(error, BucketUnusable):
        remedy = "do what the message says; it concerns every object of the bucket"
    elif isinstance(error, StorageForbidden):
        remedy = f"fix the S3 keys, or let them {actions} objects of the bucket {store.bucket}"
    return failed(f"{type(error).__name__}: {error}", remedy=remedy)


# Windows select photos by upload times that other machines wrote; clocks synchronized by NTP differ
# by milliseconds. An HTTP date has whole seconds.
_MAX_SKEW_SECONDS = 5.0
_TIMEOUT_SECONDS = 10.0


def check_database_clock(deployment: Deployment) -> Finding:
    """Compare with the clock of the database."""
    engine = deployment.connections.engine
    return _compare_clock("the database", lambda: in_transaction(engine, current_time))


def check_bucket_clock(deployment: Deployment) -> Finding:
    """Compare with the Date header of the object storage; needs no key."""
    url = deployment.connections.photos.endpoint_url
    try:
        return _compare_clock("the object storage", lambda: _response_date(url))
    except httpx.HTTPError as error:
        remedy = "let this machine reach the object storage"
        if deployment.settings.s3_endpoint_url:
            remedy = _START_STORAGE
        return failed(f"{url} does not answer: {error}", remedy=remedy)
    except ValueError as error:
        remedy = "let the answers of the object storage keep their Date"
        return failed(f"{url}: {error}", remedy=remedy)


def _response_date(url: str) -> datetime:
    bundle = ca_bundle()  # as boto3 does
    trusted = ssl.create_default_context(cafile=bundle) if bundle else True
    header = httpx.get(url, timeout=_TIMEOUT_SECONDS, verify=trusted).headers.get("date")
    if header is None:
        raise ValueError("the answer has no Date")
    return parsedate_to_datetime(header)


def _compare_clock(owner: str, ask: Callable[[], datetime]) -> Finding:
    started = time.monotonic()
    remote = ask()
    elapsed = time.monotonic() - started
    # The remote clock was read at some moment of the round trip: assume its middle.
    skew = (remote - datetime.now(UTC)).total_seconds() + elapsed / 2
    if abs(skew) > _MAX_SKEW_SECONDS + elapsed / 2:
        direction = "ahead of" if skew > 0 else "behind"
        message = f"{owner} is {abs(skew):.0f} s {direction} this machine"
        return failed(message, remedy="let NTP (chrony, systemd-timesyncd) run on both machines")
    return ok(f"{owner}: within {_MAX_SKEW_SECONDS:.0f} s")


# A cached version has 45 MB; a retraining run writes checkpoints of three times that, and its
# photos' pixels, into the same folder.
MIN_FREE_GIB = 2.0


def check_disk(deployment: Deployment) -> Finding:
    """Write a file into the data folder and check the free space there."""
    folder = deployment.settings.data_dir
    remedy = "set MODERATION_DATA_DIR to a writable folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"written by the doctor")
        free = shutil.disk_usage(folder).free / 2**30
    except OSError as error:
        return failed(f"{folder} cannot be written: {error}", remedy=remedy)
    if free < MIN_FREE_GIB:
        message = f"{folder}: {free:.1f} GiB free, {MIN_FREE_GIB:.0f} are needed"
        return failed(message, remedy=f"free space, or {remedy}")
    return ok(f"{folder}: {free:.0f} GiB free")
