"""Keys to objects: what the bucket holds under them now."""

import asyncio
from collections.abc import Sequence

import structlog

from ml.errors import ImageRejected, ObjectAbsent, QuarantineReason, StorageError, StorageForbidden
from ml.inference.outcome import Rejected
from ml.serving.pools import Pools, run
from ml.storage.images import PendingImage
from ml.storage.object_store import ListedObject, ObjectStore

log = structlog.get_logger()

Found = ListedObject | Rejected


async def find_objects(keys: Sequence[str], *, store: ObjectStore, pools: Pools) -> list[Found]:
    """What a listing would show of each key, in order; the ETag fixes the content from here on."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(pools.fetch, _finder(store, key))) for key in keys]
    return [task.result() for task in tasks]


class _finder:  # noqa: N801 - a function with its arguments, named as one
    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store = store
        self._key = key

    def __call__(self) -> Found:
        try:
            return self._store.head(self._key)
        except ObjectAbsent:
            return rejected(self._key, QuarantineReason.OBJECT_ABSENT)
        except StorageError as error:
            log.warning("an object was not found out about", error=str(error))
            return rejected(self._key, unreached(error))


def unreached(error: StorageError) -> QuarantineReason:
    """Why the bucket gave nothing; "forbidden" is never "absent"."""
    forbidden = isinstance(error, StorageForbidden)
    return QuarantineReason.FORBIDDEN if forbidden else QuarantineReason.UNREACHABLE


def rejected(key: str, reason: QuarantineReason) -> Rejected:
    """A photo of the bucket that was not had; where the bucket is, is not the caller's to know."""
    absent = reason is QuarantineReason.OBJECT_ABSENT
    detail = "the bucket holds no such object" if absent else "the bucket did not give the photo"
    return Rejected(PendingImage(key, "", 0), None, ImageRejected(reason, detail))
