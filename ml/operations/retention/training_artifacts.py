"""Purge files of trainings in the model bucket: `training/<key>/`.

By then the result of a finished training is part of a registered version, and an abandoned one left
only its last epoch. A running training keeps writing epochs and is never old. A deleted training
that is needed again is trained again.
"""

from collections.abc import Iterator
from itertools import chain, groupby

from ml.operations.retention.plan import Plan
from ml.operations.retention.purge import Purged, Purging
from ml.storage.connections import Connections
from ml.storage.object_store import ListedObject, ObjectStore
from ml.storage.purge import Count

KIND = "training_artifacts"

_PREFIX = "training/"
_COMPLETE_MARKER = "/result.json"


def purge_training_artifacts(plan: Plan, connections: Connections) -> Purged:
    """Delete trainings whose newest file is expired, one after the other."""
    days = plan.retention.training_artifact_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    for files in _trainings(connections.models):
        if max(file.modified_at for file in files) < purging.since:
            _purge(files, purging)
    return purging.purged()


def _trainings(store: ObjectStore) -> Iterator[list[ListedObject]]:
    """The files of each training; a listing is in key order."""
    files = chain.from_iterable(store.list_pages(_PREFIX))
    for _, group in groupby(files, key=lambda file: file.key.split("/")[1]):
        yield list(group)


def _purge(files: list[ListedObject], purging: Purging) -> None:
    if not purging.plan.dry_run:
        # The marker of a complete training first: if killed here, the training is not complete.
        ordered = sorted(files, key=lambda file: not file.key.endswith(_COMPLETE_MARKER))
        for file in ordered:
            purging.connections.models.delete(file.key)
    count = Count(len(files), sum(file.size_bytes for file in files))
    purging.batch(lambda _: count)
