"""Whether a registered version can be served, from the bucket's own bytes."""

import tempfile
from pathlib import Path

from ml.errors import ModelError, ObjectAbsent
from ml.model import registry
from ml.model.probe import PROBE, ServableResult, probe_in_fresh_process
from ml.storage.object_store import ObjectStore


def servable(model_hash: str, *, store: ObjectStore) -> ServableResult:
    """Fetch the version into an empty folder, as a new machine would, and run its probe there.

    What is wrong with the version is in the result; a bucket that does not answer raises.

    Raises:
        StorageUnavailable, StorageForbidden: the bucket as a whole.
    """
    with tempfile.TemporaryDirectory(prefix="moderation-servable-") as scratch:
        folder = Path(scratch) / model_hash
        try:
            registry.fetch(model_hash, store=store, cache=Path(scratch))
            (folder / PROBE).write_bytes(store.get(f"models/{model_hash}/{PROBE}"))
        except (ModelError, ObjectAbsent) as error:
            return ServableResult(ok=False, largest_difference=None, detail=str(error))
        return probe_in_fresh_process(folder, model_hash=model_hash)
