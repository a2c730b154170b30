"""Purge files of the model bucket: training artifacts, and thumbnails in evaluation reports.

Once the files `training/<key>/` of a training are old, its result is part of a registered version,
or it was abandoned and left only its last epoch. A running training keeps writing epochs and is
never old. A deleted training that is needed again is trained again.

Of an old report only the thumbnails of users' photos are deleted; the figures stay. The report's
page embeds the thumbnails, too: a gray field replaces them there.
"""

import base64
from collections.abc import Callable, Iterator
from itertools import chain, groupby

from ml.core.errors import ObjectNotFound
from ml.operations.retention.purge import Purging
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.pretrained_weights import list_needed_files
from ml.storage.purge import Count
from ml.storage.s3_responses import ListedObject

_TRAININGS = "training/"
_COMPLETE_MARKER = "/result.json"

_REPORTS = "evaluations/"
_PICTURES = "/differences/"
_PAGE = "/report.html"
_HTML = "text/html; charset=utf-8"
# One gray pixel, which the page's own style makes as large as the picture was.
_GRAY_PIXEL = b"data:image/gif;base64,R0lGODlhAQABAIAAAMDAwAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="


def purge_training_artifacts(purging: Purging) -> None:
    """Delete trainings whose newest file is expired, one after the other.

    Distilled weights are kept while a retraining run compares them, or the next one will.
    """
    store = purging.connections.models
    for files in _begin(purging, _expired_trainings):
        # The marker of a complete training first: if killed here, the training is not complete.
        for file in sorted(files, key=lambda file: not file.key.endswith(_COMPLETE_MARKER)):
            store.delete(file.key)


def _expired_trainings(purging: Purging) -> Iterator[list[ListedObject]]:
    # A listing is in key order.
    needed = set(in_transaction(purging.connections.engine, list_needed_files))
    listed = _list_files(purging, _TRAININGS)
    for _, group in groupby(listed, lambda file: file.key.split("/")[1]):
        files = list(group)
        newest = max(file.modified_at for file in files)
        if newest < purging.since and needed.isdisjoint(file.key for file in files):
            yield files


def purge_report_photos(purging: Purging) -> None:
    """Remove the pictures from each expired report, then delete them."""
    store = purging.connections.models
    for pictures in _begin(purging, _expired_pictures):
        keys = [picture.key for picture in pictures]
        report = keys[0].partition(_PICTURES)[0]
        # The page first: if killed here, the next attempt still finds the pictures to remove.
        _gray_out(store, f"{report}{_PAGE}", keys)
        store.delete_many(keys)


def _expired_pictures(purging: Purging) -> Iterator[list[ListedObject]]:
    files = (file for file in _list_files(purging, _REPORTS) if _PICTURES in file.key)
    for _, group in groupby(files, lambda file: file.key.partition(_PICTURES)[0]):
        if pictures := [picture for picture in group if picture.modified_at < purging.since]:
            yield pictures


def _begin(
    purging: Purging, expired: Callable[[Purging], Iterator[list[ListedObject]]]
) -> Iterator[list[ListedObject]]:
    """Count the expired files, then return them in groups to delete; none in a dry run."""
    counts = (Count(1, file.size_bytes) for file in chain.from_iterable(expired(purging)))
    purging.begin(sum(counts, Count()))
    return iter(()) if purging.plan.dry_run else expired(purging)


def _list_files(purging: Purging, prefix: str) -> Iterator[ListedObject]:
    return chain.from_iterable(purging.connections.models.list_pages(prefix))


def _gray_out(store: ObjectStore, page_key: str, picture_keys: list[str]) -> None:
    try:
        page = store.get(page_key)
    except ObjectNotFound:
        return
    grayed = page
    for key in picture_keys:
        picture = base64.b64encode(store.get(key))
        grayed = grayed.replace(b"data:image/jpeg;base64," + picture, _GRAY_PIXEL)
    if grayed != page:
        store.put(page_key, grayed, content_type=_HTML)
