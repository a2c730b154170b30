"""Small pictures of people's photos in the reports of past months; the figures stay.

A report's page holds the pictures, too: there a grey field takes their place.
"""

import base64
from collections.abc import Iterator
from itertools import chain, groupby

from ml.connections import Connections
from ml.errors import ObjectAbsent
from ml.retention.plan import Plan
from ml.retention.purging import Count, Purged, Purging
from ml.storage.object_store import ListedObject, ObjectStore

KIND = "report_photos"

_PREFIX = "evaluations/"
_PICTURES = "/differences/"
_PAGE = "report.html"
_HTML = "text/html; charset=utf-8"
# One grey pixel, which the page's own style makes as large as the picture was.
_GREY = b"data:image/gif;base64,R0lGODlhAQABAIAAAMDAwAAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw=="


def purge_report_photos(plan: Plan, connections: Connections) -> Purged:
    """Take the pictures out of each report that is old enough, then delete them."""
    days = plan.retention.report_photo_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    for report, pictures in _reports(connections.models):
        due = [picture for picture in pictures if picture.modified_at < purging.since]
        if due:
            _purge(report, due, purging)
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
        # The page first: killed here, the next attempt still knows which pictures to look for.
        _grey_out(purging.connections.models, report, keys)
        purging.connections.models.delete_many(keys)
    count = Count(len(keys), sum(picture.size_bytes for picture in pictures))
    purging.batch(lambda _: count)


def _grey_out(store: ObjectStore, report: str, keys: list[str]) -> None:
    try:
        page = store.get(f"{report}{_PAGE}")
    except ObjectAbsent:
        return
    without = page
    for key in keys:
        picture = base64.b64encode(store.get(key))
        without = without.replace(b"data:image/jpeg;base64," + picture, _GREY)
    if without != page:
        store.put(f"{report}{_PAGE}", without, content_type=_HTML)
