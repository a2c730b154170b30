"""Can photos be read, and model versions be kept?"""

import uuid

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.errors import ObjectAbsent, StorageError, StorageForbidden
from ml.storage.object_store import ObjectStore


def photo_bucket(deployment: Deployment) -> Finding:
    """List the photos' prefix and read one of them."""
    store = deployment.connections.photos
    prefix = deployment.settings.photo_prefix.split("%", 1)[0]
    try:
        store.check()
        first = next(iter(next(store.list_pages(prefix))), None)
        if first is None:
            return ok(f"{store.bucket}: lists; no photo under {prefix} to read yet")
        store.get(first.key, max_bytes=1)
    except StorageError as error:
        return _failed(error, store, setting="MODERATION_PHOTO_BUCKET", rights="list and get")
    return ok(f"{store.bucket}: lists and reads under {prefix}")


def model_bucket(deployment: Deployment) -> Finding:
    """List, put, get and delete a small object of our own."""
    store = deployment.connections.models
    key, data = f"doctor/{uuid.uuid4()}", b"written by the doctor"
    try:
        store.check()
        store.put(key, data)
        same = store.get(key) == data
        store.delete(key)
    except StorageError as error:
        rights = "list, get, put and delete"
        return _failed(error, store, setting="MODERATION_MODEL_BUCKET", rights=rights)
    if not same:
        said = f"{store.bucket} gave other bytes than were put"
        return failed(said, do="look at the object storage itself: it must not be used so")
    return ok(f"{store.bucket}: lists, puts, gets and deletes")


def _failed(error: StorageError, store: ObjectStore, *, setting: str, rights: str) -> Finding:
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, StorageForbidden):
        return failed(
            said, do=f"mend the S3 keys, or let them {rights} objects of the bucket {store.bucket}"
        )
    if isinstance(error, ObjectAbsent):
        return failed(
            said, do=f"create the bucket {store.bucket}, or name the right one in {setting}"
        )
    return failed(said, do="start the object storage, or mend MODERATION_S3_ENDPOINT_URL")
