"""Purge the thumbnails of users' photos in old evaluation reports; the figures stay.

A report's page embeds the thumbnails, too: a gray field replaces them there.
"""

import base64
from collections.abc import Iterator
from itertools import chain, groupby

from ml.core.errors import ObjectNotFound
from ml.operations.retention.plan import Plan
from ml.operations.retention.purge import Purged, Purging
from ml.storage.connections import Connections
from ml.storage.object_store import ListedObject, ObjectStore
from ml.storage.purge import Count

KIND = "report_photos"

_PREFIX = "evaluations/"
_PICTURES = "/differences/"
_PAGE = "report.html"
_HTML = "text/html; charset=utf-8"
# One gray pixel, which the page's own style makes as large as the picture was.
_GRAY_PIXEL = b"data:image/gif;base64,R0lGODlhAQABAIAAAMDAwAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="


def purge_report_photos(plan: Plan, connections: Connections) -> Purged:
    """Remove the pictures from each expired report, then delete them."""
    days = plan.retention.report_photo_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    for report, pictures in _reports(connections.models):
        expired = [picture for picture in pictures if picture.modified_at < purging.since]
        if expired:
            _purge(report, expired, purging)
    return purging.purged()


def _reports(store: ObjectStore) -> Iterator[tuple[str, list[ListedObject]]]:
    """The folder of each report with its pictures; a listing is in key order."""
    files = chain.from_iterable(store.list_pages(_PREFIX))
    pictures = (file for file in files if _PICTURES in file.key)
    for folder, group in groupby(pictures, key=lambda file: file.key.partition(_PICTURES)[0]):
        yield f"{folder}/", list(group)


def _purge(report: str, pictures: list[ListedObject], purging: Purging) -> None:
    keys = [picture.key for picture in pictures]
    if not purging.plan.dry_run:
        # The page first: if killed here, the next attempt still finds the pictures to remove.
        _gray_out(purging.connections.models, report, keys)
        purging.connections.models.delete_many(keys)
    count = Count(len(keys), sum(picture.size_bytes for picture in pictures))
    purging.batch(lambda _: count)


def _gray_out(store: ObjectStore, report: str, keys: list[str]) -> None:
    try:
        page = store.get(f"{report}{_PAGE}")
    except ObjectNotFound:
        return
    grayed = page
    for key in keys:
        picture = base64.b64encode(store.get(key))
        grayed = grayed.replace(b"data:image/jpeg;base64," + picture, _GRAY_PIXEL)
    if grayed != page:
        store.put(f"{report}{_PAGE}", grayed, content_type=_HTML)
