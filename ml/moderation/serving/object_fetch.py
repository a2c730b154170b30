"""Look up the objects of the requested keys in the bucket."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from ml.core.errors import (
    ImageRejected,
    ObjectNotFound,
    QuarantineReason,
    StorageError,
    StorageForbidden,
)
from ml.core.types import PendingImage, RejectedImage
from ml.moderation.serving.executors import Executors, run_in
from ml.storage.object_store import ListedObject, ObjectStore

log = structlog.get_logger()

ResolvedKey = ListedObject | RejectedImage


async def resolve_object_keys(
    keys: Sequence[str], *, store: ObjectStore, pools: Executors
) -> list[ResolvedKey]:
    """Look up each key, in order; the ETag pins the content that is fetched later."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(run_in(pools.fetch, partial(_head_object, store, key)))
            for key in keys
        ]
    return [task.result() for task in tasks]


def _head_object(store: ObjectStore, key: str) -> ResolvedKey:
    try:
        return store.head(key)
    except ObjectNotFound:
        return rejected(key, QuarantineReason.OBJECT_ABSENT)
    except StorageError as error:
        log.warning("an object could not be looked up", error=str(error))
        return rejected(key, fetch_error_reason(error))


def fetch_error_reason(error: StorageError) -> QuarantineReason:
    """Quarantine reason of a failed fetch; missing permissions are never reported as absent."""
    forbidden = isinstance(error, StorageForbidden)
    return QuarantineReason.FORBIDDEN if forbidden else QuarantineReason.UNREACHABLE


def rejected(key: str, reason: QuarantineReason) -> RejectedImage:
    """An object that could not be fetched; the detail does not reveal the bucket's address."""
    absent = reason is QuarantineReason.OBJECT_ABSENT
    detail = "the bucket holds no such object" if absent else "the bucket did not give the photo"
    return RejectedImage(PendingImage(key, "", 0), None, ImageRejected(reason, detail))
