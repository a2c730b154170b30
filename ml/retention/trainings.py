"""Files of trainings in the model bucket: `training/<key>/`.

A finished training is part of a registered version by then; one that was given up left its last
epoch. A training that goes on writes an epoch again and again, and is never old. What is deleted
and wanted again all the same is trained anew.
"""

from collections.abc import Iterator
from itertools import chain, groupby

from ml.connections import Connections
from ml.retention.plan import Plan
from ml.retention.purging import Count, Purged, Purging
from ml.storage.object_store import ListedObject, ObjectStore

KIND = "trainings"

_PREFIX = "training/"
_SAYS_COMPLETE = "/result.json"


def purge_trainings(plan: Plan, connections: Connections) -> Purged:
    """Delete trainings whose last file is old, one after the other."""
    days = plan.retention.training_days
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
        # First the file that says that the training is complete: killed here, it is not.
        ordered = sorted(files, key=lambda file: not file.key.endswith(_SAYS_COMPLETE))
        for file in ordered:
            purging.connections.models.delete(file.key)
    count = Count(len(files), sum(file.size_bytes for file in files))
    purging.batch(lambda _: count)
